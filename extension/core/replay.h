/*
 * replay.h
 *	  Acknowledging again what another transaction committed: see replay.c.
 */
#ifndef PG_CHAT_REPLAY_H
#define PG_CHAT_REPLAY_H

extern void replay_note(void);

#endif							/* PG_CHAT_REPLAY_H */
