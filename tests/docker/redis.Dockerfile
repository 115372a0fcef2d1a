# Stands in for Redis's own image.

FROM debian:trixie-slim
RUN apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server \
	&& apt-get clean && rm -rf /var/lib/apt/lists/*
CMD ["redis-server"]
