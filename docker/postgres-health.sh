#!/bin/bash
#
# postgres-health.sh - whether the database serves: status 0 if chat_api can call a function of pg_chat.

exec /usr/lib/postgresql/*/bin/psql -h /run/postgresql -U chat_api -d chat -XqAt -v ON_ERROR_STOP=1 \
	-c 'SELECT pg_catalog.count(*) FROM chat.list_applications("limit" => 1)'
