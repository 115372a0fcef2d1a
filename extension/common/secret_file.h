/*
 * secret_file.h
 *	  Secrets, which are kept in files of their own: see secret_file.c.
 */
#ifndef PG_CHAT_SECRET_FILE_H
#define PG_CHAT_SECRET_FILE_H

extern char *secret_file_read(const char *setting, const char *path);
extern void secret_file_free(char *secret);

#endif							/* PG_CHAT_SECRET_FILE_H */
