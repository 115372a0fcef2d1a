/*
 * elasticsearch.c
 *	  Requests to Elasticsearch, and its answers.
 *
 * Nothing that the server sends is trusted, or raises an error: what is wrong
 * with an answer, or why there is none, is told as a problem, a text for
 * people. It shows no password, no key, and nothing of a message's body, which
 * Elasticsearch may quote.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "elasticsearch.h"
#include "settings.h"

/*
 * Whether requests can be sent to the URL; if not, *problem says why, without
 * showing any of it: somebody may have put a password there.
 */
bool
elasticsearch_url_is_valid(const char *url, const char **problem)
{
	CURLU	   *parts = NULL;
	char	   *host = NULL;

	*problem = NULL;
	for (const char *byte = url; *byte; byte++)
		if (*byte <= ' ' || *byte > '~')
			*problem = "The URL must be of printable ASCII characters, without blanks.";
	if (strchr(url, '@') != NULL)
		*problem = "A user and a password must not stand in the URL: see pg_chat.elasticsearch_user.";
	else if (strpbrk(url, "?#") != NULL)
		*problem = "The URL must end with the path.";
	else if (pg_strncasecmp(url, "http://", 7) != 0 && pg_strncasecmp(url, "https://", 8) != 0)
		*problem = "The URL must begin with http:// or https://.";
	if (*problem != NULL)
		return false;

	parts = curl_url();
	if (parts == NULL ||
		curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
		curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		*host == '\0' || strchr(host, '%') != NULL)
		*problem = "The host or the port is missing or malformed.";
	curl_free(host);
	curl_url_cleanup(parts);
	return *problem == NULL;
}

/* Whether there is an Elasticsearch to use. */
bool
elasticsearch_wanted(void)
{
	return *settings_elasticsearch_url != '\0';
}
