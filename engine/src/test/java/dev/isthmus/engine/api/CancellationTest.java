package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.CancelledException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Cancelling takes effect within the work of one layer: layers are counted, not time. */
@Timeout(60)
class CancellationTest {

    private static final int LAYERS = 12;

    @TempDir
    Path directory;

    private Model model;
    private Session session;

    @BeforeEach
    void open() throws IOException {
        model = Model.open(TinyModel.write(directory, LAYERS, 200, 42), ModelOptions.DEFAULT.withThreads(2));
        session = model.newSession();
        session.append(1, 2, 3);
    }

    @AfterEach
    void close() {
        session.close();
        model.close();
    }

    /** The first token needs no pass, the second one of its own: its fifth layer is under way at the 7th question. */
    @Test
    void aGenerationEndsBehindTheLayerThatIsUnderWay() {
        AtomicInteger questions = new AtomicInteger();
        Generation[] generation = new Generation[1];
        generation[0] = session.generate(greedy(), () -> {
            if (questions.incrementAndGet() == 7) {
                onAnotherThread(generation[0]::cancel);
            }
            return false;
        });
        assertEquals(1, generation[0].stream().count());
        assertEquals(7, questions.get(), "no layer began after it");
        assertEquals(FinishReason.CANCELLED, generation[0].finishReason().orElseThrow());
        float[] logits = session.logits();
        try (Session untroubled = model.newSession()) {
            untroubled.append(session.tokens());
            assertArrayEquals(untroubled.logits(), logits, 1e-4f);
        }
    }

    @Test
    void aLongPromptIsGivenUpBehindTheLayerThatIsUnderWay() {
        AtomicInteger layers = new AtomicInteger();
        assertThrows(CancelledException.class, () -> session.appendFrom(new int[150], 149, null,
                Completions.probe(() -> layers.incrementAndGet() == 4)));
        assertEquals(4, layers.get());
        assertEquals(3, session.length());
    }

    @Test
    void aSearchEndsBehindTheLayerThatIsUnderWay() {
        AtomicInteger tokens = new AtomicInteger();
        CompletionSearch[] search = new CompletionSearch[1];
        search[0] = session.bestOf(3, GenerationOptions.builder().maxTokens(50).stopAtEndOfText(false)
                .processors((ids, logits) -> {
                    if (tokens.incrementAndGet() == 5) {
                        onAnotherThread(search[0]::cancel);
                    }
                }).build());
        assertThrows(CancelledException.class, search[0]::run);
        assertEquals(5, tokens.get());
    }

    private static void onAnotherThread(Runnable action) {
        Thread thread = Thread.ofVirtual().start(action);
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static GenerationOptions greedy() {
        return GenerationOptions.builder().greedy().maxTokens(50).stopAtEndOfText(false).build();
    }
}
