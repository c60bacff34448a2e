package dev.isthmus.examples.packaging;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import java.nio.file.Path;

/** Continues a text and says which kernels computed it: {@code Program MODEL TEXT}. */
public final class Program {

    private Program() {}

    /** Takes the model's directory and the text. */
    public static void main(String[] args) {
        try (Model model = Model.open(Path.of(args[0])); Session session = model.newSession()) {
            session.append(args[1]);
            session.generate(GenerationOptions.builder().greedy().maxTokens(16).build())
                    .forEach(token -> System.out.print(token.text()));
            System.out.println();
            System.err.println(model.backend());
        }
    }
}
