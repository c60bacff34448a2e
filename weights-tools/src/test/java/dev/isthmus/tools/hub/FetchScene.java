package dev.isthmus.tools.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.tools.TinyModel;
import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;

/** A hub with one model, an empty cache, and somebody who fetches. */
final class FetchScene implements AutoCloseable {

    static final String REPOSITORY = "me/tiny";
    static final String WEIGHTS = "model.safetensors";

    final FakeHub hub = new FakeHub();
    final Path cache;
    final Map<String, byte[]> files = new LinkedHashMap<>();
    final List<String> notices = new CopyOnWriteArrayList<>();
    final String commit;

    FetchScene(Path folder) throws IOException {
        cache = folder.resolve("cache");
        Path model = TinyModel.write(folder.resolve("made"));
        try (Stream<Path> made = Files.list(model)) {
            for (Path file : made.toList()) {
                files.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
        commit = hub.publish(REPOSITORY, "main", files);
    }

    byte[] weights() {
        return files.get(WEIGHTS);
    }

    HubCache place() {
        return new HubCache(cache, REPOSITORY);
    }

    HubSettings settings() {
        return new HubSettings(hub.endpoint(), cache, Optional.empty(), false, Map.of(), Duration.ofSeconds(20),
                Duration.ofMillis(700), Duration.ofMillis(5));
    }

    HubSettings withToken(String token) {
        HubSettings plain = settings();
        return new HubSettings(plain.endpoint(), cache, Optional.of(token), false, Map.of(), plain.answerTimeout(),
                plain.stallTimeout(), plain.firstPause());
    }

    Fetch.Fetched fetch() {
        return fetch(REPOSITORY, settings());
    }

    Fetch.Fetched fetch(String name, HubSettings settings) {
        return new Fetch(HubName.require(name), settings, notices::add, (done, total) -> {
            assertTrue(0 <= done && done <= total, done + " of " + total);
        }).run();
    }

    /** Fetches and checks that the cache then has the model, bit by bit. */
    void fetchesAll() throws IOException {
        Fetch.Fetched fetched = fetch();
        assertEquals(commit, fetched.commit());
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            assertArrayEquals(file.getValue(),
                    Files.readAllBytes(fetched.directory().resolve(file.getKey())), file.getKey());
        }
        assertEquals(List.of(), partials());
    }

    /** Fetches, which must fail with a message of these parts and leave nothing in place. */
    void fails(String... parts) throws IOException {
        fails(settings(), parts);
    }

    void fails(HubSettings settings, String... parts) throws IOException {
        CommandException failure = assertThrows(CommandException.class, () -> fetch(REPOSITORY, settings));
        for (String part : parts) {
            assertTrue(failure.getMessage().contains(part), "expected '" + part + "' in: " + failure.getMessage());
        }
        assertFalse(Files.exists(place().directory().resolve("snapshots")), "no snapshot is there");
        assertFalse(Files.exists(place().directory().resolve("refs")), "no ref is there");
        assertFalse(Files.exists(place().blob(FakeHub.sha256(weights()))), "no weights are there");
    }

    /** The files that were begun. */
    List<String> partials() throws IOException {
        Path blobs = place().directory().resolve("blobs");
        if (!Files.exists(blobs)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(blobs)) {
            return all.map(path -> path.getFileName().toString()).filter(name -> name.contains("incomplete")).toList();
        }
    }

    @Override
    public void close() throws IOException {
        hub.close();
    }
}
