/*
 * json_number.c
 *		The grammar of a JSON number, character by character.
 */
#include <ctype.h>

#include "http/json_number.h"

JsonNumber
json_number_begin(char byte)
{
	return byte == '-' ? NUMBER_SIGN : byte == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
}

bool
json_number_take(JsonNumber *number, char byte)
{
	JsonNumber	last = *number;
	bool		digit = isdigit((unsigned char) byte);
	bool		integer = last == NUMBER_ZERO || last == NUMBER_DIGITS;

	if (last == NUMBER_SIGN && digit)
		*number = byte == '0' ? NUMBER_ZERO : NUMBER_DIGITS;
	else if (digit && last == NUMBER_POINT)
		*number = NUMBER_FRACTION;
	else if (digit && (last == NUMBER_E || last == NUMBER_E_SIGN))
		*number = NUMBER_EXPONENT;
	else if (byte == '.' && integer)
		*number = NUMBER_POINT;
	else if ((byte == 'e' || byte == 'E') && (integer || last == NUMBER_FRACTION))
		*number = NUMBER_E;
	else if ((byte == '+' || byte == '-') && last == NUMBER_E)
		*number = NUMBER_E_SIGN;
	else
		return digit && (last == NUMBER_DIGITS || last == NUMBER_FRACTION || last == NUMBER_EXPONENT);
	return true;
}

bool
json_number_is_complete(JsonNumber number)
{
	return number == NUMBER_ZERO || number == NUMBER_DIGITS || number == NUMBER_FRACTION || number == NUMBER_EXPONENT;
}
