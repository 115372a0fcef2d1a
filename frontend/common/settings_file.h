/*
 * settings_file.h
 *		A file of settings.
 */
#ifndef CHATD_SETTINGS_FILE_H
#define CHATD_SETTINGS_FILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads a file whose lines are empty, comments (#) or NAME = VALUE, and calls take with each name and
 * value. Returns the text that these are in, malloc'ed; it has to be kept as long as they are. If the
 * file cannot be read, is not of this form, or take returns false, returns NULL, with a problem;
 * take writes its own, behind the line's number.
 */
extern char *settings_file_read(const char *path,
								bool (*take) (const char *name, const char *value, char *problem, size_t size),
								char *problem, size_t size);

#endif
