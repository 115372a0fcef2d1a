import java.util.concurrent.TimeUnit;

import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.io.entity.StringEntity;

/**
 * Posts JSON by Apache HttpClient 5 with its defaults, and prints a line for each answer: its status and
 * body, or the exception.
 *
 * Arguments: URL BODY [PAUSE...], the pauses in milliseconds, each followed by the same request again.
 */
public final class Post {
	private static void post(CloseableHttpClient client, String url, String body) {
		HttpPost request = new HttpPost(url);
		request.setEntity(new StringEntity(body, ContentType.APPLICATION_JSON));
		try {
			client.execute(request, response -> {
				System.out.println(response.getCode() + " " + EntityUtils.toString(response.getEntity()));
				return null;
			});
		} catch (Exception exception) {
			System.out.println(exception);
		}
	}

	public static void main(String[] arguments) throws Exception {
		try (CloseableHttpClient client = HttpClients.createDefault()) {
			post(client, arguments[0], arguments[1]);
			for (int i = 2; i < arguments.length; i++) {
				TimeUnit.MILLISECONDS.sleep(Long.parseLong(arguments[i]));
				post(client, arguments[0], arguments[1]);
			}
		}
	}
}
