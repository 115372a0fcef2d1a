# Stands in for Elasticsearch's own image: the real engine as tests/elasticsearch/run.sh builds it, laid
# out and run by the same user as there. It knows no passwords, since the jars lack what checks them.
# The context is build/elasticsearch/elasticsearch-8.

FROM debian:trixie-slim
# The JRE makes links to manuals, whose folder the base image lacks.
RUN mkdir -p /usr/share/man/man1 \
	&& apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends curl openjdk-21-jre-headless \
	&& apt-get clean && rm -rf /var/lib/apt/lists/* \
	&& useradd --uid 1000 --gid 0 --no-create-home elasticsearch \
	&& install -d -o 1000 -g 0 /usr/share/elasticsearch /usr/share/elasticsearch/data
COPY jars-* /opt/jars
COPY classes-* /opt/classes
USER 1000:0
# It ends with its standard input: it gets one without end.
CMD rm -f /tmp/input && mkfifo /tmp/input && exec 3<>/tmp/input && exec java $ES_JAVA_OPTS -XX:+UseSerialGC \
	-Dlog4j2.disable.jmx=true -Dorg.apache.logging.log4j.level=WARN -cp '/opt/classes:/opt/jars/*' \
	Launcher /usr/share/elasticsearch 9200 network.host=0.0.0.0 <&3
