package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.StandIn;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a session costs on a GPU, counted by the stand-in for one. */
class CudaSessionTest {

    private static final GenerationOptions GREEDY =
            GenerationOptions.builder().greedy().maxTokens(30).stopAtEndOfText(false).build();

    @TempDir
    static Path directory;

    private StandIn device;

    @BeforeEach
    void takeTheStandIn() throws IOException {
        device = StandIn.assumed();
        if (Files.notExists(directory.resolve("config.json"))) {
            TinyModel.write(directory);
        }
    }

    private static Model open(BackendChoice backend) {
        return Model.open(directory, ModelOptions.DEFAULT.withBackend(backend).withThreads(1));
    }

    @Test
    void decodingRepeatsOneRecordedPassAndAllocatesNothing() {
        try (Model model = open(BackendChoice.CUDA); Session session = model.newSession()) {
            session.append(1, 2, 3);
            List<Long> allocations = new ArrayList<>();
            List<Long> waits = new ArrayList<>();
            List<Long> graphs = new ArrayList<>();
            for (Token token : session.generate(GREEDY)) {
                assertTrue(token.id() >= 0);
                allocations.add(device.count("allocations"));
                waits.add(device.count("synchronizations"));
                graphs.add(device.count("graph_launches"));
            }
            int last = allocations.size() - 1;
            // The first pass of one row runs as it is, the second is recorded.
            assertEquals(allocations.get(2), allocations.get(last), "allocations in the token loop");
            assertEquals(last - 2, graphs.get(last) - graphs.get(2), "one launch for each token");
            assertTrue(waits.get(last) - waits.get(2) <= last - 2, "one wait for each token");
        }
    }

    @Test
    void closingGivesAllMemoryBackInAnyOrderAndNothingWasWrittenBesideIt() {
        long before = device.count("allocated_bytes");
        for (boolean modelFirst : new boolean[] {false, true}) {
            Model model = open(BackendChoice.CUDA);
            Session session = model.newSession();
            session.append(1, 2, 3);
            session.generate(GREEDY).forEach(token -> {});
            assertTrue(device.count("allocated_bytes") > before);
            if (modelFirst) {
                model.close();
            }
            session.close();
            model.close();
            assertEquals(before, device.count("allocated_bytes"));
            assertEquals(0, device.count("broken_guards"));
        }
    }

    @Test
    void reopeningKeepsThePrimaryContext() {
        open(BackendChoice.CUDA).close();
        long contexts = device.count("contexts");
        for (int i = 0; i < 2; i++) {
            try (Model model = open(BackendChoice.CUDA); Session session = model.newSession()) {
                session.append(1, 2, 3);
                assertEquals(TinyModel.VOCABULARY, session.logits().length);
            }
        }
        assertEquals(1, contexts);
        assertEquals(contexts, device.count("contexts"));
    }
}
