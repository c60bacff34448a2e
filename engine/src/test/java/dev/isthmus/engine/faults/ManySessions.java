package dev.isthmus.engine.faults;

import dev.isthmus.engine.api.BatchingExecutor;
import dev.isthmus.engine.api.BatchingOptions;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.GenerationRequest;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.errors.OutOfMemoryException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletionException;

/** Opens sessions of a model until there is no memory left, and then goes on working. */
final class ManySessions {

    private static final int MOST = 200_000;
    private static final GenerationOptions OPTIONS = GenerationOptions.builder().greedy().maxTokens(3).build();

    private ManySessions() {}

    public static void main(String[] args) {
        Session[] sessions = new Session[MOST];
        // What an application that must go on gives up first.
        byte[] reserve = new byte[4 << 20];
        int[] tokens = new int[3];
        int opened = 0;
        try (Model model = Model.open(Path.of(args[0]),
                ModelOptions.DEFAULT.withCacheLimit(Long.parseLong(args[1])));
                BatchingExecutor executor = model.newBatchingExecutor(BatchingOptions.DEFAULT)) {
            float[] logits = logits(model, 0);
            try {
                // Allocates nothing itself: the heap must run out within the engine.
                for (; opened < MOST; opened++) {
                    Session session = model.newSession();
                    sessions[opened] = session;
                    number(opened, tokens);
                    session.append(tokens);
                }
            } catch (OutOfMemoryException expected) {
                reserve[0] = 1;
                reserve = null;
                System.out.println("refused: " + expected.getMessage());
            }
            String request = request(executor);
            int closed = 0;
            for (int i = 1; i <= Math.min(opened, MOST - 1); i++) {
                if (sessions[i] != null) {
                    sessions[i].close();
                    sessions[i] = null;
                    closed++;
                }
            }
            require(Arrays.equals(logits, sessions[0].logits()), "the first session is as it was");
            sessions[0].append(7);
            sessions[0].close();
            require(Arrays.equals(logits, logits(model, 0)), "another session works as before");
            require(request(executor).equals("done"), "the executor works as before");
            System.out.println("sessions " + opened + ", closed " + closed + ", request " + request);
        }
    }

    private static float[] logits(Model model, int number) {
        int[] tokens = new int[3];
        number(number, tokens);
        try (Session session = model.newSession()) {
            session.append(tokens);
            return session.logits();
        }
    }

    private static void number(int number, int[] tokens) {
        tokens[0] = 1 + number % 250;
        tokens[1] = number / 250 % 250;
        tokens[2] = number / 62_500;
    }

    private static String request(BatchingExecutor executor) {
        try {
            executor.submit(GenerationRequest.of(new int[] {1, 2, 3}, OPTIONS)).result().join();
            return "done";
        } catch (CompletionException failed) {
            require(failed.getCause() instanceof OutOfMemoryException, "a typed error, not " + failed.getCause());
            return "refused";
        }
    }

    private static void require(boolean condition, String claim) {
        if (!condition) {
            throw new IllegalStateException("not so: " + claim);
        }
    }
}
