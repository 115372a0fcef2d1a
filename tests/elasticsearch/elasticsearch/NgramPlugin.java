import java.util.Map;

import org.apache.lucene.analysis.ngram.NGramTokenizer;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * The tokenizer "ngram", which belongs to the module analysis-common: a distribution has that, Maven
 * Central has not. The same Lucene class does the work. What this one cannot do it refuses.
 */
public final class NgramPlugin extends Plugin implements AnalysisPlugin {
	@Override
	public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
		return Map.of("ngram", NgramPlugin::tokenizer);
	}

	private static TokenizerFactory tokenizer(IndexSettings index, Environment environment, String name, Settings settings) {
		int shortest = settings.getAsInt("min_gram", NGramTokenizer.DEFAULT_MIN_NGRAM_SIZE);
		int longest = settings.getAsInt("max_gram", NGramTokenizer.DEFAULT_MAX_NGRAM_SIZE);

		if (longest - shortest > index.getMaxNgramDiff()) {
			throw new IllegalArgumentException("max_gram - min_gram is over index.max_ngram_diff, " + index.getMaxNgramDiff());
		}
		if (settings.hasValue("token_chars")) {
			throw new IllegalArgumentException("this tokenizer knows no token_chars");
		}
		return TokenizerFactory.newFactory(name, () -> new NGramTokenizer(shortest, longest));
	}
}
