package org.elasticsearch.node;

import java.util.List;
import java.util.Map;
import java.util.Set;

import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.GivenPlugins;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/**
 * A node with plugins from the class path, which the public constructor takes from an installation's
 * folders alone. In the engine's package, as what it takes to build a node is visible there only.
 */
public final class NodeWithPlugins extends Node {
	public NodeWithPlugins(Environment environment, List<Plugin> plugins) {
		super(NodeConstruction.prepareConstruction(
			environment, PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false), services(plugins), true));
	}

	private static NodeServiceProvider services(List<Plugin> plugins) {
		return new NodeServiceProvider() {
			@Override
			PluginsService newPluginService(Environment environment, PluginsLoader loader) {
				return new GivenPlugins(environment, loader, plugins);
			}
		};
	}
}
