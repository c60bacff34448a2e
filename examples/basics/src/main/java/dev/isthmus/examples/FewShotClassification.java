package dev.isthmus.examples;

import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/**
 * Classifies texts by asking which label the model would write next, with no, one and four worked examples in the prompt,
 * side by side: {@code FewShotClassification MODEL}.
 */
public final class FewShotClassification {

    private record Review(String text, String label) {}

    private static final List<String> LABELS = List.of(" good", " bad");

    private static final List<Review> SHOTS = List.of(
            new Review("A wonderful play, I laughed and wept.", " good"),
            new Review("Dull and far too long.", " bad"),
            new Review("The best evening of the year.", " good"),
            new Review("I left before the end.", " bad"));

    private static final List<Review> REVIEWS = List.of(
            new Review("I would see it again tomorrow.", " good"),
            new Review("The actors forgot their lines.", " bad"),
            new Review("What a sweet and noble story.", " good"));

    private FewShotClassification() {}

    /** Takes the model's directory. */
    public static void main(String[] args) {
        try (Model model = Model.open(Path.of(args[0])); Session session = model.newSession()) {
            Tokenizer tokenizer = model.tokenizer().orElseThrow();
            System.out.printf("%-34s%-8s%-8s%-8s%s%n", "review", "truth", "0-shot", "1-shot", "4-shot");
            for (Review review : REVIEWS) {
                System.out.printf("%-34s%-8s%-8s%-8s%s%n", review.text(), review.label(),
                        classify(session, tokenizer, review, 0), classify(session, tokenizer, review, 1),
                        classify(session, tokenizer, review, 4));
            }
        }
    }

    private static String classify(Session session, Tokenizer tokenizer, Review review, int shots) {
        StringBuilder prompt = new StringBuilder();
        SHOTS.subList(0, shots).forEach(shot -> prompt.append(question(shot)).append(shot.label()).append("\n\n"));
        session.rewind(0);
        session.append(prompt + question(review));
        return LABELS.stream()
                .max(Comparator.comparingDouble(label -> logProbability(session, tokenizer.encode(label))))
                .orElseThrow();
    }

    private static String question(Review review) {
        return "Review: " + review.text() + "\nThis play is";
    }

    /** Of a continuation, its tokens together; the session is left as it was. */
    private static double logProbability(Session session, int[] continuation) {
        int start = session.length();
        double sum = 0;
        for (int id : continuation) {
            sum += session.next().logprob(id);
            session.append(id);
        }
        session.rewind(start);
        return sum;
    }
}
