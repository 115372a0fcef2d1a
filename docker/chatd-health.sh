#!/bin/bash
#
# chatd-health.sh - whether chatd can serve: status 0 if its /readyz is 200; else prints the answer.

exec 3<>"/dev/tcp/127.0.0.1/${CHATD_PORT:-8080}" || exit 1
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ] || { cat <&3 && exit 1; }
