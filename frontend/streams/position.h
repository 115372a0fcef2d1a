/*
 * position.h
 *		Positions in the changes of a chat.
 *
 * A position is N.R: the highest number of a message, and the highest revision of a
 * change, that somebody has seen. The text "N" is "N.0".
 */
#ifndef CHATD_POSITION_H
#define CHATD_POSITION_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Position
{
	int			number;
	int			revision;
} Position;

/* The bytes of a position's text, with a NUL. */
#define POSITION_SIZE sizeof("2147483647.2147483647")

/* Parses a text; returns false if it is no position. */
extern bool position_parse(const char *text, size_t length, Position *position);

/* Writes the text, and returns its length. */
extern int	position_print(char *text, Position position);

/* Are these the same position? */
extern bool position_equal(Position a, Position b);

/* Does a position lie, in its number or its revision, beyond another? */
extern bool position_exceeds(Position position, Position other);

#endif
