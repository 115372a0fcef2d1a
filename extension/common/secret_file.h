/*
 * secret.h
 *	  Secrets, which stand in files of their own: see secret.c.
 */
#ifndef PG_CHAT_SECRET_H
#define PG_CHAT_SECRET_H

extern char *secret_read(const char *setting, const char *path);
extern void secret_forget(char *secret);

#endif							/* PG_CHAT_SECRET_H */
