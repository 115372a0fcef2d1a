import java.io.Closeable;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.node.NodeValidationException;
import org.elasticsearch.transport.Netty4Plugin;

/** A node of Elasticsearch 7 with HTTP and the ngram tokenizer. */
final class Engine extends Node {
	private Engine(Environment environment) {
		super(environment, List.of(Netty4Plugin.class, NgramPlugin.class), true);
	}

	static Closeable start(Map<String, String> settings, Path config) throws NodeValidationException {
		Settings.Builder builder = Settings.builder();

		settings.forEach(builder::put);
		return new Engine(InternalSettingsPreparer.prepareEnvironment(builder.build(), Map.of(), config, () -> "test")).start();
	}
}
