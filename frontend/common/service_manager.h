/*
 * service_manager.h
 *		What a service manager is told, as systemd wants it of Type=notify.
 */
#ifndef CHATD_SERVICE_MANAGER_H
#define CHATD_SERVICE_MANAGER_H

/* Tells it a state, such as "READY=1"; does nothing where nobody wants to know. */
extern void service_manager_tell(const char *state);

#endif
