package dev.isthmus.examples;

import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Score;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Prints how well a model predicts each line of a file, as its perplexity: {@code SentenceScores MODEL FILE}. */
public final class SentenceScores {

    private SentenceScores() {}

    /** Takes the model's directory and the file. */
    public static void main(String[] args) throws IOException {
        try (Model model = Model.open(Path.of(args[0]))) {
            Tokenizer tokenizer = model.tokenizer().orElseThrow();
            for (String sentence : Files.readAllLines(Path.of(args[1]))) {
                int[] ids = tokenizer.encode(sentence);
                // The first token is given, not predicted.
                if (ids.length > 1) {
                    Score score = model.score(ids, model.config().context() / 2);
                    System.out.printf("%10.2f  %s%n", score.perplexity(), sentence);
                }
            }
        }
    }
}
