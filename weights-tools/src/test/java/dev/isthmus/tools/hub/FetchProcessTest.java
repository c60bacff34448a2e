package dev.isthmus.tools.hub;

import static dev.isthmus.tools.hub.FetchScene.REPOSITORY;
import static dev.isthmus.tools.hub.FetchScene.WEIGHTS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.tools.ProcessRun;
import dev.isthmus.tools.hub.FakeHub.Host;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Fetching in processes of its own: several at a time, and one that is killed. */
class FetchProcessTest {

    private static final int BEGUN = 100_000;

    @TempDir
    private Path folder;

    private FetchScene scene;

    @BeforeEach
    void begin() throws IOException {
        scene = new FetchScene(folder);
    }

    @AfterEach
    void end() throws IOException {
        scene.close();
    }

    private Map<String, String> environment() {
        return Map.of("HF_ENDPOINT", scene.hub.endpoint().toString(), "HF_HUB_CACHE", scene.cache.toString(),
                "NO_PROXY", "127.0.0.1", "HF_TOKEN", "", "HF_HUB_OFFLINE", "", "TRANSFORMERS_OFFLINE", "");
    }

    @Test
    void twoAtOnceDownloadOnceAndBothSucceed() throws IOException, InterruptedException, ExecutionException {
        scene.hub.once(Host.STORE, "GET", WEIGHTS, reply -> new Reply(reply.status(), reply.headers(), out -> {
            // Not before the other process has planned what to download, and has had time to try.
            while (scene.hub.requests(Host.HUB, "HEAD", "generation_config.json").size() < 2) {
                Thread.sleep(20);
            }
            Thread.sleep(500);
            reply.body().write(out);
        }));
        try (ExecutorService both = Executors.newFixedThreadPool(2)) {
            List<Future<ProcessRun>> runs = Stream.of("a", "b").map(name -> both.submit(() -> ProcessRun.of(
                    Files.createDirectories(folder.resolve(name)), List.of(), environment(), "fetch", REPOSITORY)))
                    .toList();
            for (Future<ProcessRun> run : runs) {
                assertEquals(0, run.get().code(), run.get().err());
                assertEquals(scene.place().snapshot(scene.commit) + "\n", run.get().out());
            }
        }
        assertEquals(1, scene.hub.requests(Host.STORE, "GET", WEIGHTS).size());
        scene.fetchesAll();
    }

    @Test
    void whatAKilledProcessHasBegunIsGoneOnWith() throws IOException, InterruptedException {
        scene.hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.stalledAfter(BEGUN));
        ProcessBuilder builder = new ProcessBuilder(ProcessRun.command(List.of(), "fetch", REPOSITORY))
                .redirectOutput(folder.resolve("out").toFile()).redirectError(folder.resolve("err").toFile());
        builder.environment().putAll(environment());
        Process process = builder.start();
        try {
            Path partial = scene.place().partial(FakeHub.sha256(scene.weights()));
            while (process.isAlive() && (!Files.exists(partial) || Files.size(partial) < BEGUN)) {
                Thread.sleep(20);
            }
            assertTrue(process.isAlive(), Files.readString(folder.resolve("err")));
        } finally {
            process.destroyForcibly().waitFor();
        }
        scene.fetchesAll();
        assertEquals(BEGUN, scene.hub.requests(Host.STORE, "GET", WEIGHTS).getLast().from());
    }
}
