import java.io.Closeable;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

import org.opensearch.Version;
import org.opensearch.analysis.common.CommonAnalysisModulePlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.node.NodeValidationException;
import org.opensearch.plugins.Plugin;
import org.opensearch.plugins.PluginInfo;
import org.opensearch.transport.Netty4ModulePlugin;

/** A node of OpenSearch 3 with HTTP and the ngram tokenizer. */
final class Engine extends Node {
	private Engine(Environment environment) {
		super(environment, List.of(described(Netty4ModulePlugin.class), described(CommonAnalysisModulePlugin.class)), true);
	}

	private static PluginInfo described(Class<? extends Plugin> plugin) {
		return new PluginInfo(plugin.getName(), "", "", Version.CURRENT, "", plugin.getName(), null, List.of(), false);
	}

	static Closeable start(Map<String, String> settings, Path config) throws NodeValidationException {
		Settings.Builder builder = Settings.builder();

		settings.forEach(builder::put);
		return new Engine(InternalSettingsPreparer.prepareEnvironment(builder.build(), Map.of(), config, () -> "test")).start();
	}
}
