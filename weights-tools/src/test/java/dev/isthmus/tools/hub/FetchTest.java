package dev.isthmus.tools.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.tools.CommandRun;
import dev.isthmus.tools.hub.FakeHub.Host;
import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What fetching brings into the cache, and what it asks of the hub. */
class FetchTest {

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

    @Test
    void theCacheIsLaidOutAsHuggingFaceDoes() throws IOException {
        scene.fetchesAll();
        Path directory = scene.cache.resolve("models--me--tiny");
        Path snapshot = directory.resolve("snapshots").resolve(scene.commit);
        assertEquals(scene.commit, Files.readString(directory.resolve("refs/main")));
        assertEquals(Path.of("../../blobs/" + FakeHub.sha256(scene.weights())),
                Files.readSymbolicLink(snapshot.resolve("model.safetensors")));
        assertEquals(Path.of("../../blobs/" + FakeHub.gitHash(scene.files.get("config.json"))),
                Files.readSymbolicLink(snapshot.resolve("config.json")));
        assertEquals(0, Files.size(directory.resolve(".no_exist").resolve(scene.commit).resolve("tokenizer.json")));
        assertTrue(Files.exists(scene.cache.resolve("CACHEDIR.TAG")));
        try (var blobs = Files.list(directory.resolve("blobs"))) {
            assertEquals(scene.files.size(), blobs.count());
        }
    }

    @Test
    void theTokenGoesToTheHubOnly() {
        scene.hub.require("secret");
        scene.fetch(FetchScene.REPOSITORY, scene.withToken("secret"));
        List<FakeHub.Request> stored = scene.hub.requests(Host.STORE, "GET", FetchScene.WEIGHTS);
        assertEquals(1, stored.size());
        assertEquals(Optional.empty(), stored.getFirst().header("Authorization"));
        assertTrue(scene.hub.requests(Host.HUB, "GET", FetchScene.WEIGHTS).stream()
                .allMatch(request -> request.header("Authorization").equals(Optional.of("Bearer secret"))));
    }

    @Test
    void whatIsThereIsNotFetchedAgain() throws IOException {
        scene.fetchesAll();
        long before = scene.hub.requests.stream().filter(request -> request.method().equals("GET")).count();
        scene.fetchesAll();
        scene.fetch(FetchScene.REPOSITORY + "@" + scene.commit, scene.settings());
        assertEquals(before, scene.hub.requests.stream().filter(request -> request.method().equals("GET")).count());
    }

    @Test
    void aKnownCommitThatIsThereNeedsNoNetwork() throws IOException {
        scene.fetchesAll();
        int before = scene.hub.requests.size();
        scene.fetch(FetchScene.REPOSITORY + "@" + scene.commit, scene.settings());
        assertEquals(before, scene.hub.requests.size());
    }

    @Test
    void aNewCommitSharesTheFilesThatHaveNotChanged() throws IOException {
        scene.fetchesAll();
        Map<String, byte[]> files = new LinkedHashMap<>(scene.files);
        files.put("generation_config.json", "{}".getBytes(StandardCharsets.UTF_8));
        String next = scene.hub.publish(FetchScene.REPOSITORY, "main", files);
        Fetch.Fetched fetched = scene.fetch();
        assertEquals(next, fetched.commit());
        assertArrayEquals(scene.weights(), Files.readAllBytes(fetched.directory().resolve(FetchScene.WEIGHTS)));
        assertEquals(1, scene.hub.requests(Host.STORE, "GET", FetchScene.WEIGHTS).size());
        assertEquals(next, Files.readString(scene.place().directory().resolve("refs/main")));
    }

    @Test
    void aDamagedSnapshotIsMended() throws IOException {
        scene.fetchesAll();
        Files.delete(scene.place().blob(FakeHub.sha256(scene.weights())));
        scene.fetchesAll();
        assertEquals(2, scene.hub.requests(Host.STORE, "GET", FetchScene.WEIGHTS).size());
    }

    @Test
    void branchesAndTagsAreRevisions() throws IOException {
        scene.hub.publish(FetchScene.REPOSITORY, "refs/pr/1", scene.commit, scene.files);
        scene.fetch(FetchScene.REPOSITORY + "@refs/pr/1", scene.settings());
        assertEquals(scene.commit, Files.readString(scene.place().directory().resolve("refs/refs/pr/1")));
        assertFalse(Files.exists(scene.place().directory().resolve("refs/main")));
        assertTrue(scene.hub.requests.stream().anyMatch(request -> request.path().contains("/resolve/refs%2Fpr%2F1/")));
    }

    @Test
    void shardedWeightsComeWhole() throws IOException {
        byte[] weights = scene.files.remove(FetchScene.WEIGHTS);
        scene.files.put("model-00001-of-00001.safetensors", weights);
        scene.files.put("model.safetensors.index.json", """
                {"weight_map": {"wte.weight": "model-00001-of-00001.safetensors",
                 "wpe.weight": "model-00001-of-00001.safetensors"}}""".getBytes(StandardCharsets.UTF_8));
        scene.hub.publish(FetchScene.REPOSITORY, "sharded", scene.files);
        Fetch.Fetched fetched = scene.fetch(FetchScene.REPOSITORY + "@sharded", scene.settings());
        try (Checkpoint checkpoint = Checkpoint.open(fetched.directory())) {
            assertEquals(28, checkpoint.tensors().size());
        }
    }

    @Test
    void anIndexThatNamesFilesElsewhereIsRefused() {
        scene.files.remove(FetchScene.WEIGHTS);
        scene.files.put("model.safetensors.index.json", """
                {"weight_map": {"wte.weight": "../../../../.bashrc"}}""".getBytes(StandardCharsets.UTF_8));
        scene.hub.publish(FetchScene.REPOSITORY, "bad", scene.files);
        RuntimeException failure = assertThrows(RuntimeException.class,
                () -> scene.fetch(FetchScene.REPOSITORY + "@bad", scene.settings()));
        assertTrue(failure.getMessage().contains("plain name"), failure.getMessage());
    }

    @Test
    void pickledWeightsAreRefusedWithAWayOut() {
        scene.files.put("pytorch_model.bin", scene.files.remove(FetchScene.WEIGHTS));
        scene.hub.publish(FetchScene.REPOSITORY, "pickled", scene.files);
        CommandException failure = assertThrows(CommandException.class,
                () -> scene.fetch(FetchScene.REPOSITORY + "@pickled", scene.settings()));
        for (String part : List.of("pickle", "runs code", "refs/pr/N")) {
            assertTrue(failure.getMessage().contains(part), failure.getMessage());
        }
        assertEquals(List.of(), scene.hub.requests(Host.HUB, "GET", "pytorch_model.bin"));
    }

    @Test
    void anotherArchitectureIsRefusedBeforeItsWeightsAreAskedFor() {
        scene.files.put("config.json", "{\"a\": {\"b\": [1]}, \"model_type\": \"llama\"}"
                .getBytes(StandardCharsets.UTF_8));
        scene.hub.publish(FetchScene.REPOSITORY, "llama", scene.files);
        CommandException failure = assertThrows(CommandException.class,
                () -> scene.fetch(FetchScene.REPOSITORY + "@llama", scene.settings()));
        assertTrue(failure.getMessage().contains("'llama'"), failure.getMessage());
        assertEquals(List.of(), scene.hub.requests(Host.HUB, "HEAD", FetchScene.WEIGHTS));
    }

    @Test
    void offlineTheCacheMustHaveIt() throws IOException {
        HubSettings plain = scene.settings();
        HubSettings offline = new HubSettings(plain.endpoint(), plain.cache(), Optional.empty(), true, Map.of(),
                plain.answerTimeout(), plain.stallTimeout(), plain.firstPause());
        scene.fails(offline, "me/tiny@main", "HF_HUB_OFFLINE");
        assertEquals(List.of(), scene.hub.requests);
        scene.fetchesAll();
        int before = scene.hub.requests.size();
        assertEquals(scene.commit, scene.fetch(FetchScene.REPOSITORY, offline).commit());
        assertEquals(before, scene.hub.requests.size());
    }

    @Test
    void anOfficialModelMustBeThePublishedOne() {
        Map<String, byte[]> others = scene.files;
        scene.hub.publish("openai-community/gpt2", "main", "607a30d783dfa663caf39e06633721c8d4cfcd7e", others);
        CommandException failure = assertThrows(CommandException.class, () -> scene.fetch("gpt2", scene.settings()));
        for (String part : List.of("expected the published config.json", "0daed7749b4f02b8", "--revision main")) {
            assertTrue(failure.getMessage().contains(part), failure.getMessage());
        }
    }

    @Test
    void aShortNameServesEveryCommandAfterwards() {
        scene.hub.publish("openai-community/gpt2", "main", scene.files);
        Map<String, String> environment = Map.of("HF_HUB_CACHE", scene.cache.toString(), "HF_ENDPOINT",
                scene.hub.endpoint().toString());
        CommandRun before = CommandRun.withInput("", environment, "generate", "the", "--model", "gpt2");
        assertEquals(1, before.code());
        assertTrue(before.err().contains("isthmus fetch gpt2"), before.err());
        CommandRun fetch = CommandRun.withInput("", environment, "fetch", "gpt2", "--revision", "main");
        assertEquals(0, fetch.code(), fetch.err());
        assertTrue(fetch.out().startsWith(scene.cache.resolve("models--openai-community--gpt2").toString()),
                fetch.out());
        for (String name : List.of("gpt2", "openai-community/gpt2", "gpt2@main")) {
            CommandRun after = CommandRun.withInput("", environment, "generate", "the", "--model", name, "--seed", "1");
            assertEquals(0, after.code(), after.err());
            assertTrue(after.out().startsWith("the"), after.out());
        }
        assertEquals(0, CommandRun.withInput("", environment, "inspect", "gpt2").code());
    }

    @Test
    void jsonSaysWhatWasFetchedAndWhere() {
        Map<String, String> environment = Map.of("HF_HUB_CACHE", scene.cache.toString(), "HF_ENDPOINT",
                scene.hub.endpoint() + "/");
        CommandRun run = CommandRun.withInput("", environment, "fetch", "me/tiny", "--json");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("{\"repository\":\"me/tiny\",\"revision\":\"" + scene.commit
                + "\",\"path\":\"" + scene.place().snapshot(scene.commit) + "\",\"files\":[\"config.json\","),
                run.out());
    }

    @Test
    void aNameThatIsNoneIsRefused() {
        for (String name : List.of("../up", "a/b/c", "me/tiny@../../x", "me/tiny@", "-x", "a--b", "a..b", "me/tiny.git")) {
            CommandException failure = assertThrows(CommandException.class, () -> HubName.require(name), name);
            assertTrue(failure.getMessage().contains("owner/name@revision"), failure.getMessage());
        }
    }
}
