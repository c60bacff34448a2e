package dev.isthmus.examples;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

/** Continues several texts at once, each in a virtual thread with a session of its own: {@code ManyCallers MODEL TEXT…}. */
public final class ManyCallers {

    private static final GenerationOptions OPTIONS = GenerationOptions.builder().greedy().maxTokens(24).build();

    private ManyCallers() {}

    /** Takes the model's directory and the texts. */
    public static void main(String[] args) throws Exception {
        List<String> texts = List.of(args).subList(1, args.length);
        try (Model model = Model.open(Path.of(args[0]));
                ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
            for (Future<String> reply : callers.invokeAll(texts.stream().map(text -> caller(model, text)).toList())) {
                System.out.println(reply.get());
            }
        }
    }

    private static Callable<String> caller(Model model, String text) {
        return () -> {
            try (Session session = model.newSession()) {
                session.append(text);
                return text + session.generate(OPTIONS).stream().map(Token::text).collect(Collectors.joining());
            }
        };
    }
}
