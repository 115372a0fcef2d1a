/*
 * json_number.h
 *		The grammar of a JSON number, character by character.
 */
#ifndef CHATD_JSON_NUMBER_H
#define CHATD_JSON_NUMBER_H

#include <stdbool.h>

/* The last character of a number, which decides which one may follow. */
typedef enum JsonNumber
{
	NUMBER_SIGN,
	NUMBER_ZERO,
	NUMBER_DIGITS,
	NUMBER_POINT,
	NUMBER_FRACTION,
	NUMBER_E,
	NUMBER_E_SIGN,
	NUMBER_EXPONENT
} JsonNumber;

/* Begins a number with a digit or a minus sign. */
extern JsonNumber json_number_begin(char byte);

/* Takes a character if it continues the number; returns false if it does not. */
extern bool json_number_take(JsonNumber *number, char byte);

/* May the number end here? */
extern bool json_number_is_complete(JsonNumber number);

#endif
