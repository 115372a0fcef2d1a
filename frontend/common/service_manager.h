/*
 * service_manager.h
 *		Notifications to a service manager, as systemd expects them for
 *		Type=notify.
 */
#ifndef CHATD_SERVICE_MANAGER_H
#define CHATD_SERVICE_MANAGER_H

/* Sends a state, such as "READY=1". Does nothing if there is no service manager. */
extern void service_manager_tell(const char *state);

#endif
