/*
 * asset.c
 *		Files that are a part of the program, as texts that end with a NUL.
 *
 * Their paths are relative to the folder in which the compiler runs, unless it is told of another by
 * FRONTEND. The Makefile knows that this file depends on them.
 */
#include "pages/asset.h"

#ifndef FRONTEND
#define FRONTEND "."
#endif

#define ASSET(name, path) \
	__asm__(".pushsection .rodata\n" \
			".global asset_" name "\n" \
			".type asset_" name ", %object\n" \
			"asset_" name ":\n" \
			".incbin \"" FRONTEND "/" path "\"\n" \
			".byte 0\n" \
			".size asset_" name ", . - asset_" name "\n" \
			".popsection\n")

ASSET("openapi", "api/openapi.json");
ASSET("console", "pages/console.html");
