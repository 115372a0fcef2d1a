/*
 * hints.h
 *		Hears which chats have changed.
 */
#ifndef CHATD_HINTS_H
#define CHATD_HINTS_H

/* In each iteration of the loop: waits for changes as long as chats are followed. */
extern void hints_run(void);

#endif
