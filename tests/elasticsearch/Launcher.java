import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs one server in the foreground: Launcher DATA_DIR PORT [KEY=VALUE...]. Prints READY once it
 * answers HTTP. It ends on SIGTERM, and when its standard input does: so it never outlives who started
 * it, however that ended.
 *
 * What differs between engines is each one's class Engine, with one method
 * <code>static Closeable start(Map&lt;String, String&gt; settings, Path config)</code>.
 */
public final class Launcher {
	public static void main(String[] arguments) {
		try {
			Path home = Path.of(arguments[0]).toAbsolutePath();
			for (String folder : new String[] { "config", "modules", "plugins", "logs", "data", "tmp" }) {
				Files.createDirectories(home.resolve(folder));
			}
			Closeable server = Engine.start(settings(home, arguments), home.resolve("config"));
			Runtime.getRuntime().addShutdownHook(new Thread(() -> close(server)));
			System.out.println("READY");
			while (System.in.read() >= 0) {
				continue;
			}
		} catch (Throwable error) {
			error.printStackTrace();
			System.exit(1);
		}
		System.exit(0);
	}

	/** One node that talks to nobody; the arguments after the second may overrule. */
	private static Map<String, String> settings(Path home, String[] arguments) {
		Map<String, String> settings = new TreeMap<>(Map.of(
			"path.home", home.toString(),
			"path.data", home.resolve("data").toString(),
			"node.name", "test",
			"cluster.name", "test",
			"discovery.type", "single-node",
			"network.host", "127.0.0.1",
			"http.port", arguments[1],
			"transport.port", "0",
			"cluster.routing.allocation.disk.threshold_enabled", "false"));
		for (int i = 2; i < arguments.length; i++) {
			String[] setting = arguments[i].split("=", 2);
			if (setting.length != 2) {
				throw new IllegalArgumentException("not KEY=VALUE: " + arguments[i]);
			}
			settings.put(setting[0], setting[1]);
		}
		return settings;
	}

	private static void close(Closeable server) {
		try {
			server.close();
		} catch (IOException error) {
			error.printStackTrace();
		}
	}
}
