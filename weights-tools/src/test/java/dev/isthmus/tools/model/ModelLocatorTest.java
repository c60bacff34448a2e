package dev.isthmus.tools.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where a model's name leads. */
class ModelLocatorTest {

    @TempDir
    private Path home;

    private Path snapshot(Path cache, String repository, String revision) throws IOException {
        Path snapshot = Files.createDirectories(cache.resolve(repository).resolve("snapshots").resolve(revision));
        Files.writeString(snapshot.resolve("config.json"), "{}");
        return snapshot;
    }

    private Path defaultCache() {
        return home.resolve(".cache").resolve("huggingface").resolve("hub");
    }

    @Test
    void aDirectoryComesBeforeTheCache() throws IOException {
        Path directory = Files.createDirectories(home.resolve("gpt2"));
        assertEquals(directory, new ModelLocator(Map.of(), home).locate(directory.toString()));
    }

    @Test
    void refsMainNamesTheSnapshot() throws IOException {
        Path repository = defaultCache().resolve("models--openai-community--gpt2");
        snapshot(defaultCache(), "models--openai-community--gpt2", "aaa");
        Path wanted = snapshot(defaultCache(), "models--openai-community--gpt2", "bbb");
        Files.createDirectories(repository.resolve("refs"));
        Files.writeString(repository.resolve("refs").resolve("main"), "bbb\n");
        ModelLocator locator = new ModelLocator(Map.of(), home);
        assertEquals(wanted, locator.locate("gpt2"));
        assertEquals(wanted, locator.locate("openai-community/gpt2"));
    }

    @Test
    void theOnlySnapshotNeedsNoRef() throws IOException {
        Path wanted = snapshot(defaultCache(), "models--gpt2", "aaa");
        assertEquals(wanted, new ModelLocator(Map.of(), home).locate("gpt2"));
    }

    @Test
    void theCacheIsWhereTheVariablesSay() throws IOException {
        Path hub = home.resolve("elsewhere");
        Path inHub = snapshot(hub, "models--me--mine", "a");
        Path inHome = snapshot(home.resolve("hf").resolve("hub"), "models--me--mine", "b");
        Path inXdg = snapshot(home.resolve("xdg").resolve("huggingface").resolve("hub"), "models--me--mine", "c");
        Map<String, String> xdg = Map.of("XDG_CACHE_HOME", home.resolve("xdg").toString());
        Map<String, String> hf = Map.of("HF_HOME", home.resolve("hf").toString());
        Map<String, String> both = Map.of("HF_HOME", home.resolve("hf").toString(), "HF_HUB_CACHE", hub.toString());
        assertEquals(inXdg, new ModelLocator(xdg, home).locate("me/mine"));
        assertEquals(inHome, new ModelLocator(hf, home).locate("me/mine"));
        assertEquals(inHub, new ModelLocator(both, home).locate("me/mine"));
    }

    @Test
    void anUnknownNameListsThePlacesAndSaysWhatToDo() {
        ModelLocator locator = new ModelLocator(Map.of(), home);
        CommandException failure = assertThrows(CommandException.class, () -> locator.locate("gpt2"));
        for (String part : new String[] {"'gpt2'", "models--openai-community--gpt2", defaultCache().toString(),
            "isthmus fetch gpt2"}) {
            assertTrue(failure.getMessage().contains(part), failure.getMessage());
        }
    }

    @Test
    void aRevisionNamesItsSnapshot() throws IOException {
        snapshot(defaultCache(), "models--openai-community--gpt2", "aaa");
        Path wanted = snapshot(defaultCache(), "models--openai-community--gpt2", "bbb");
        Path refs = Files.createDirectories(defaultCache().resolve("models--openai-community--gpt2/refs/refs/pr"));
        Files.writeString(refs.resolve("1"), "bbb");
        ModelLocator locator = new ModelLocator(Map.of(), home);
        assertEquals(wanted, locator.locate("gpt2@bbb"));
        assertEquals(wanted, locator.locate("openai-community/gpt2@refs/pr/1"));
        assertThrows(CommandException.class, () -> locator.locate("gpt2@ccc"));
        assertThrows(CommandException.class, () -> locator.locate("gpt2"));
    }

    @Test
    void aNameCannotLeaveTheCache() throws IOException {
        snapshot(home.resolve(".cache").resolve("huggingface"), "secret", "a");
        ModelLocator locator = new ModelLocator(Map.of(), home);
        assertThrows(CommandException.class, () -> locator.locate("../secret"));
        assertThrows(CommandException.class, () -> locator.locate("gpt2@../../secret"));
        assertThrows(CommandException.class, () -> locator.locate("a/b/../../../secret"));
    }
}
