import java.io.Closeable;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.node.NodeValidationException;
import org.opensearch.transport.Netty4Plugin;

/** A node of OpenSearch 2 with HTTP and the ngram tokenizer. */
final class Engine extends Node {
	private Engine(Environment environment) {
		super(environment, List.of(Netty4Plugin.class, CommonAnalysisPlugin.class), true);
	}

	static Closeable start(Map<String, String> settings, Path config) throws NodeValidationException {
		Settings.Builder builder = Settings.builder();

		settings.forEach(builder::put);
		return new Engine(InternalSettingsPreparer.prepareEnvironment(builder.build(), Map.of(), config, () -> "test")).start();
	}
}
