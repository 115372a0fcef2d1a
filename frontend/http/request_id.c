/*
 * request_id.c
 *		The id of a request, which is in its response and in the logs.
 *
 * A gateway in front may have given it one already. An id of one's own consists of a number
 * that the process has drawn and one that counts its requests.
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "http/request_id.h"

static void
write_hex(char *text, uint32_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 4)
		text[i] = "0123456789abcdef"[number & 15];
}

void
request_id_make(RequestId *id)
{
	static uint32_t process;
	static uint32_t count;

	if (process == 0 && getrandom(&process, sizeof(process), GRND_NONBLOCK) != sizeof(process))
		process = (uint32_t) getpid();
	write_hex(id->text, process);
	write_hex(id->text + 8, ++count);
	id->text[16] = '\0';
}

void
request_id_take(RequestId *id, const char *sent)
{
	size_t		length = 0;

	while (sent && sent[length] && (isalnum((unsigned char) sent[length]) || strchr("-_.:+/=@", sent[length])))
		length++;
	if (length > 0 && length <= REQUEST_ID_MAX && sent[length] == '\0')
		memcpy(id->text, sent, length + 1);
}
