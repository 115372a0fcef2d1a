package org.elasticsearch.plugins;

import java.util.List;

import org.elasticsearch.env.Environment;

/** The plugins it is given. In the engine's package, as LoadedPlugin is visible there only. */
public final class GivenPlugins extends PluginsService {
	private final List<LoadedPlugin> plugins;

	public GivenPlugins(Environment environment, PluginsLoader loader, List<Plugin> plugins) {
		super(environment.settings(), environment.configDir(), loader);
		this.plugins = plugins.stream().map(GivenPlugins::loaded).toList();
	}

	private static LoadedPlugin loaded(Plugin plugin) {
		String name = plugin.getClass().getName();

		return new LoadedPlugin(
			new PluginDescriptor(name, name, "", "", "", name, null, List.of(), false, false, false, false),
			plugin, plugin.getClass().getClassLoader());
	}

	@Override
	protected List<LoadedPlugin> plugins() {
		return plugins;
	}
}
