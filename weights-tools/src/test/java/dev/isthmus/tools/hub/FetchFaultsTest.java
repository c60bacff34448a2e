package dev.isthmus.tools.hub;

import static dev.isthmus.tools.hub.FetchScene.WEIGHTS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import dev.isthmus.tools.hub.FakeHub.Host;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever networks, proxies and hubs do: the model comes whole, or a message says why not and nothing is in place. */
class FetchFaultsTest {

    @TempDir
    private Path folder;

    private FetchScene scene;
    private FakeHub hub;

    @BeforeEach
    void begin() throws IOException {
        scene = new FetchScene(folder);
        hub = scene.hub;
    }

    @AfterEach
    void end() throws IOException {
        scene.close();
    }

    /** Where each request for the weights' bytes began. */
    private List<Integer> begins() {
        return hub.requests(Host.STORE, "GET", WEIGHTS).stream().map(FakeHub.Request::from).toList();
    }

    @Test
    void aDownloadThatIsCutGoesOnWhereItEnded() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(50_000));
        scene.fetchesAll();
        assertEquals(List.of(0, 100_000, 150_000), begins());
    }

    @Test
    void moreCutsThanAttemptsDoNotMatterAsLongAsBytesCome() throws IOException {
        hub.times(12, Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(1_000));
        scene.fetchesAll();
        assertEquals(13, begins().size());
    }

    @Test
    void anotherCallGoesOnWhereOneGaveUp() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.times(5, Host.STORE, "GET", WEIGHTS, reply -> Reply.status(503));
        scene.fails("status 503", "tried 5 times", "kept");
        assertEquals(List.of(FakeHub.sha256(scene.weights()) + ".isthmus.incomplete"), scene.partials());
        scene.fetchesAll();
        assertEquals(100_000, begins().getLast());
    }

    @Test
    void aStatedLengthBeyondTheFileIsAnEndTooSoon() throws IOException {
        hub.once(Host.HUB, "GET", "config.json", reply -> reply.without("Content-Length").cutAfter(20));
        scene.fetchesAll();
        assertEquals(2, hub.requests(Host.HUB, "GET", "config.json").size());
    }

    @Test
    void aStatedLengthOfAnotherSizeIsAnotherFile() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.with("Content-Length", "1000"));
        scene.fails(WEIGHTS, "changed on the hub", "is now 1000");
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.with("Content-Length", "100000000"));
        scene.fails(WEIGHTS, "changed on the hub", "is now 100000000");
    }

    @Test
    void bytesBeyondTheEndAreRefused() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> new Reply(200, Map.of(), out -> {
            for (int i = 0; i < 3; i++) {
                out.write(scene.weights());
            }
        }));
        scene.fails(WEIGHTS, "found more");
    }

    @Test
    void aSlowDripIsWaitedFor() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.dripping(20, 50));
        scene.fetchesAll();
        assertEquals(List.of(0), begins());
    }

    @Test
    void aConnectionThatStallsIsLeft() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.stalledAfter(100_000));
        scene.fetchesAll();
        assertEquals(List.of(0, 100_000), begins());
        assertTrue(scene.notices.toString().contains("no more bytes came"), scene.notices.toString());
    }

    @Test
    void aServerThatKnowsNoRangesSendsItAllAgain() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> Reply.file(scene.weights(), 0));
        scene.fetchesAll();
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> Reply.status(416));
        Files.delete(scene.place().blob(FakeHub.sha256(scene.weights())));
        scene.fetchesAll();
        assertEquals(List.of(0, 100_000, 0, 100_000, 0), begins());
    }

    @Test
    void anotherRangeThanAskedForIsRefused() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.with("Content-Range", "bytes 7-9/10"));
        scene.fails("from 100000 on", "bytes 7-9/10");
    }

    @Test
    void compressedAnswersAreDecompressed() throws IOException {
        hub.once(Host.HUB, "HEAD", "vocab.json", reply -> reply.with("Content-Encoding", "gzip"));
        hub.once(Host.HUB, "GET", "vocab.json", reply -> Reply.gzip(scene.files.get("vocab.json"))
                .with("ETag", reply.headers().get("ETag")));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> Reply.gzip(scene.weights()));
        scene.fetchesAll();
        assertTrue(hub.requests.stream().allMatch(request ->
                request.header("Accept-Encoding").equals(Optional.of("identity"))));
    }

    @Test
    void aCompressedRangeIsAskedForWhole() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.with("Content-Encoding", "gzip"));
        scene.fetchesAll();
        assertEquals(List.of(0, 100_000, 0), begins());
    }

    @Test
    void anEncodingThatNobodyAskedForIsRefused() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.with("Content-Encoding", "br"));
        scene.fails("encoding 'br'");
    }

    @Test
    void aFileThatChangesOnTheHubIsNotMixed() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> reply.cutAfter(100_000));
        hub.once(Host.HUB, "GET", WEIGHTS, reply -> reply);
        hub.once(Host.HUB, "GET", WEIGHTS, reply -> reply.with("X-Linked-ETag", "\"" + "a".repeat(64) + "\""));
        scene.fails(WEIGHTS + " changed on the hub", "its ETag was " + FakeHub.sha256(scene.weights()), "aaaa");
    }

    @Test
    void damagedBytesAreDeletedAndNamed() throws IOException {
        hub.once(Host.STORE, "GET", WEIGHTS, Reply::damaged);
        scene.fails(WEIGHTS, "expected the hash " + FakeHub.sha256(scene.weights()));
        assertEquals(List.of(), scene.partials());
        scene.fetchesAll();
    }

    @Test
    void smallFilesAreCheckedAgainstGitsHash() throws IOException {
        hub.once(Host.HUB, "GET", "config.json", Reply::damaged);
        scene.fails("config.json", "expected the hash " + FakeHub.gitHash(scene.files.get("config.json")));
    }

    @Test
    void aProxysPageIsNoFile() throws IOException {
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.page());
        scene.fails("page of HTML", "HTTPS_PROXY");
        hub.once(Host.STORE, "GET", WEIGHTS, reply -> Reply.page());
        scene.fails("page of HTML", WEIGHTS);
        assertEquals(List.of(), scene.partials());
    }

    @Test
    void whatIsNoHubIsNamed() throws IOException {
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.file(new byte[10], 0));
        scene.fails("X-Repo-Commit", "HF_ENDPOINT");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> reply.with("ETag", "\"../../evil\""));
        scene.fails("ETag");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> reply.with("X-Repo-Commit", "../../evil"));
        scene.fails("X-Repo-Commit");
    }

    @Test
    void refusalsSayWhatToDo() throws IOException {
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(401));
        scene.fails("status 401", "no such model, or it is not open to all", "HF_TOKEN");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(401));
        scene.fails(scene.withToken("old"), "status 401", "does not accept the token");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(401).with("X-Error-Code", "GatedRepo"));
        scene.fails("conditions", "HF_TOKEN");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(403));
        scene.fails("status 403", "forbidden");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(404).with("X-Error-Code", "RepoNotFound"));
        scene.fails("status 404", "no such model");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(404).with("X-Error-Code", "RevisionNotFound"));
        scene.fails("status 404", "no such revision");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(404).with("X-Error-Code", "EntryNotFound"));
        scene.fails("has no config.json");
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(407));
        scene.fails("status 407", "proxy");
    }

    @Test
    void noTokenAppearsInAMessage() throws IOException {
        for (int status : new int[] {401, 403, 404, 418}) {
            hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(status));
            scene.fails(scene.withToken("secret"));
        }
        assertFalse(scene.notices.toString().contains("secret"));
    }

    @Test
    void aHubThatLimitsIsWaitedFor() throws IOException {
        long begun = System.nanoTime();
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(429).with("Retry-After", "1"));
        scene.fetchesAll();
        assertTrue(System.nanoTime() - begun >= Duration.ofSeconds(1).toNanos());
        assertTrue(scene.notices.getFirst().contains("status 429")
                && scene.notices.getFirst().contains("trying again in 1 s"), scene.notices.toString());
    }

    @Test
    void aHubThatLimitsForLongIsLeftAlone() throws IOException {
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(429).with("Retry-After", "86400"));
        scene.fails("status 429", "limits how much", "try again later");
        assertEquals(1, hub.requests.size());
        hub.times(5, Host.HUB, "HEAD", "config.json", reply -> Reply.status(429));
        scene.fails("status 429", "tried 5 times");
    }

    @Test
    void withoutANetworkTheMessageSaysSo() throws IOException {
        HubSettings plain = scene.settings();
        hub.close();
        scene.fails("cannot reach 127.0.0.1", "refused", "check the network");
        scene.fails(new HubSettings(URI.create("https://no-such-host.invalid"), plain.cache(), Optional.empty(), false,
                Map.of(), plain.answerTimeout(), plain.stallTimeout(), plain.firstPause()),
                "cannot reach no-such-host.invalid", "name is not known");
    }

    @Test
    void aHubThatDoesNotAnswerIsNotWaitedForEver() throws IOException {
        HubSettings plain = scene.settings();
        hub.times(5, Host.HUB, "HEAD", "config.json", reply -> {
            try {
                Thread.sleep(60_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            return reply;
        });
        scene.fails(new HubSettings(plain.endpoint(), plain.cache(), Optional.empty(), false, Map.of(),
                Duration.ofMillis(100), plain.stallTimeout(), plain.firstPause()), "does not answer",
                "HF_HUB_ETAG_TIMEOUT");
    }

    @Test
    void redirectsLeadNowhereElse() throws IOException {
        hub.once(Host.HUB, "GET", WEIGHTS, reply -> reply.with("Location", "ftp://elsewhere.invalid/x"));
        scene.fails("ftp://elsewhere.invalid/x", "no safe address");
        hub.times(20, Host.HUB, "GET", WEIGHTS, reply -> reply.with("Location",
                hub.requests.getLast().path()).without("X-Linked-ETag"));
        scene.fails("redirects");
    }

    @Test
    void aRepositoryThatMovedIsFollowedWithTheToken() throws IOException {
        hub.require("secret");
        hub.publish("me/new", "main", scene.commit, scene.files);
        hub.once(Host.HUB, "HEAD", "config.json", reply -> Reply.status(307).with("Location",
                "/me/new/resolve/main/config.json"));
        scene.fetch(FetchScene.REPOSITORY, scene.withToken("secret"));
        assertTrue(Files.exists(scene.place().snapshot(scene.commit).resolve("config.json")));
    }

    @Test
    void aDiskThatFillsUpIsNamed() throws IOException {
        Configuration small = Configuration.unix().toBuilder().setMaxSize(scene.weights().length / 2 / 4096 * 4096)
                .setBlockSize(4096).build();
        try (FileSystem disk = Jimfs.newFileSystem(small)) {
            HubSettings plain = scene.settings();
            HubSettings there = new HubSettings(plain.endpoint(), disk.getPath("/cache"), Optional.empty(), false,
                    Map.of(), plain.answerTimeout(), plain.stallTimeout(), plain.firstPause());
            // Without a size nobody knows beforehand that it will not fit.
            hub.once(Host.HUB, "HEAD", WEIGHTS, reply -> reply.without("X-Linked-Size"));
            scene.fails(there, "/cache", "the disk is full", "HF_HUB_CACHE");
            HubCache cache = new HubCache(there.cache(), FetchScene.REPOSITORY);
            assertFalse(Files.exists(cache.snapshot(scene.commit)));
            assertFalse(Files.exists(cache.blob(FakeHub.sha256(scene.weights()))));
            assertTrue(Files.size(cache.partial(FakeHub.sha256(scene.weights()))) > 0);
        }
    }

    @Test
    void aDiskWithoutRoomIsSeenBeforeTheDownload() throws IOException {
        hub.once(Host.HUB, "HEAD", WEIGHTS, reply -> reply.with("X-Linked-Size", "1000000000000000"));
        scene.fails("needs 1,000,000,000 MB more", "HF_HUB_CACHE");
        assertEquals(List.of(), begins());
    }
}
