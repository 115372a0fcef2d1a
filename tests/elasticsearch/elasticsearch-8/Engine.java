import java.io.Closeable;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.NodeValidationException;
import org.elasticsearch.node.NodeWithPlugins;
import org.elasticsearch.transport.netty4.Netty4Plugin;

/** A node of Elasticsearch 8 or 9 with HTTP and the ngram tokenizer. */
final class Engine {
	static Closeable start(Map<String, String> settings, Path config) throws NodeValidationException {
		Settings.Builder builder = Settings.builder();

		LogConfigurator.configureESLogging();
		settings.forEach(builder::put);
		return new NodeWithPlugins(
			InternalSettingsPreparer.prepareEnvironment(builder.build(), Map.of(), config, () -> "test"),
			List.of(new Netty4Plugin(), new NgramPlugin())).start();
	}
}
