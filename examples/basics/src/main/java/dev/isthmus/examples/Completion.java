package dev.isthmus.examples;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import java.nio.file.Path;

/** Continues a text: {@code Completion MODEL}. */
public final class Completion {

    private Completion() {}

    /** Takes the model's directory. */
    public static void main(String[] args) {
        GenerationOptions options = GenerationOptions.builder().maxTokens(40).temperature(0.8).seed(1).build();
        try (Model model = Model.open(Path.of(args[0])); Session session = model.newSession()) {
            session.append("Alan Turing theorized that computers would one day become");
            for (Token token : session.generate(options)) {
                System.out.print(token.text());
            }
        }
    }
}
