/*
 * topic.c
 *		The chats that are followed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "streams/topic.h"

#define BUCKETS 16384

static Topic *buckets[BUCKETS];
static Topic *first;
static int	count;

static Topic **
bucket_of(int application, int chat)
{
	uint64_t	key = (uint64_t) (uint32_t) application << 32 | (uint32_t) chat;

	return &buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) % BUCKETS];
}

static Topic *
topic_make(int application, int chat, const char *token, size_t token_length)
{
	Topic	   *topic = calloc(1, sizeof(Topic));
	Topic	  **bucket = bucket_of(application, chat);

	if (topic == NULL)
		return NULL;
	topic->token = malloc(token_length + 1);
	if (topic->token == NULL)
	{
		free(topic);
		return NULL;
	}
	memcpy(topic->token, token, token_length);
	topic->token[token_length] = '\0';
	topic->token_length = token_length;
	topic->application = application;
	topic->chat = chat;
	topic->next_in_bucket = *bucket;
	*bucket = topic;
	topic->next = first;
	if (first)
		first->previous = topic;
	first = topic;
	count++;
	return topic;
}

static void
topic_drop(Topic *topic)
{
	Topic	  **place = bucket_of(topic->application, topic->chat);

	while (*place != topic)
		place = &(*place)->next_in_bucket;
	*place = topic->next_in_bucket;
	if (topic->next)
		topic->next->previous = topic->previous;
	if (topic->previous)
		topic->previous->next = topic->next;
	else
		first = topic->next;
	count--;
	free(topic->token);
	free(topic);
}

Topic *
topic_hold(int application, int chat, const char *token, size_t token_length)
{
	Topic	   *topic = *bucket_of(application, chat);

	while (topic && (topic->application != application || topic->chat != chat ||
					 topic->token_length != token_length || memcmp(topic->token, token, token_length) != 0))
		topic = topic->next_in_bucket;
	if (topic == NULL)
		topic = topic_make(application, chat, token, token_length);
	if (topic)
		topic->holders++;
	return topic;
}

void
topic_hold_again(Topic *topic)
{
	topic->holders++;
}

void
topic_release(Topic *topic)
{
	if (--topic->holders == 0)
		topic_drop(topic);
}

void
topics_of_chat(int application, int chat, void (*call) (Topic *topic))
{
	for (Topic *topic = *bucket_of(application, chat); topic; topic = topic->next_in_bucket)
		if (topic->application == application && topic->chat == chat)
			call(topic);
}

Topic *
topics_first(void)
{
	return first;
}

int
topics_count(void)
{
	return count;
}
