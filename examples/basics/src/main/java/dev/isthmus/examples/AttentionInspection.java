package dev.isthmus.examples;

import dev.isthmus.engine.api.Capture;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.nio.file.Path;

/** Shows to which token each head looks from the last one of a text: {@code AttentionInspection MODEL TEXT}. */
public final class AttentionInspection {

    private AttentionInspection() {}

    /** Takes the model's directory and the text. */
    public static void main(String[] args) {
        try (Model model = Model.open(Path.of(args[0])); Session session = model.newSession()) {
            Tokenizer tokenizer = model.tokenizer().orElseThrow();
            int[] ids = tokenizer.encode(args[1]);
            Capture.Builder wanted = Capture.builder();
            for (int layer = 0; layer < model.config().layers(); layer++) {
                wanted.attention(layer);
            }
            Capture capture = wanted.build();
            session.append(ids, capture);
            for (int layer = 0; layer < model.config().layers(); layer++) {
                for (int head = 0; head < model.config().heads(); head++) {
                    double[] weights = capture.attention(layer, head)[ids.length - 1];
                    int most = largest(weights);
                    System.out.printf("layer %2d  head %2d  %5.1f %%  %s%n", layer, head, 100 * weights[most],
                            tokenizer.token(ids[most]));
                }
            }
        }
    }

    private static int largest(double[] values) {
        int largest = 0;
        for (int i = 1; i < values.length; i++) {
            largest = values[i] > values[largest] ? i : largest;
        }
        return largest;
    }
}
