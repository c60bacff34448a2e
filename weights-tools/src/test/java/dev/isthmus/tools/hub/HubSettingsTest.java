package dev.isthmus.tools.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The variables mean what they mean to huggingface_hub. */
class HubSettingsTest {

    @TempDir
    private Path home;

    private HubSettings with(Map<String, String> environment) {
        return HubSettings.of(environment, home);
    }

    @Test
    void withoutVariablesTheHubAndTheUsersCacheAreUsed() {
        HubSettings settings = with(Map.of());
        assertEquals(URI.create("https://huggingface.co"), settings.endpoint());
        assertEquals(home.resolve(".cache/huggingface/hub"), settings.cache());
        assertEquals(Optional.empty(), settings.token());
        assertFalse(settings.offline());
        assertEquals(Duration.ofSeconds(10), settings.stallTimeout());
    }

    @Test
    void theCacheIsNamedByTheNearestVariable() {
        assertEquals(Path.of("/x/huggingface/hub"), with(Map.of("XDG_CACHE_HOME", "/x")).cache());
        assertEquals(Path.of("/h/hub"), with(Map.of("XDG_CACHE_HOME", "/x", "HF_HOME", "/h")).cache());
        assertEquals(Path.of("/l"), with(Map.of("HF_HOME", "/h", "HUGGINGFACE_HUB_CACHE", "/l")).cache());
        assertEquals(Path.of("/c"), with(Map.of("HUGGINGFACE_HUB_CACHE", "/l", "HF_HUB_CACHE", "/c")).cache());
        assertEquals(home.resolve("hub"), with(Map.of("HF_HOME", "~")).cache());
        assertEquals(home.resolve("a/b"), with(Map.of("HF_HUB_CACHE", "~/a/$LAST", "LAST", "b")).cache());
        assertEquals(Path.of("/s/$NONE"), with(Map.of("HF_HUB_CACHE", "${TOP}/$NONE", "TOP", "/s")).cache());
    }

    @Test
    void theTokenComesFromAVariableOrAFile() throws IOException {
        Files.createDirectories(home.resolve(".cache/huggingface"));
        Files.writeString(home.resolve(".cache/huggingface/token"), "of the file\n");
        Path other = Files.writeString(home.resolve("other"), "of the other");
        assertEquals(Optional.of("of the file"), with(Map.of()).token());
        assertEquals(Optional.of("of the other"), with(Map.of("HF_TOKEN_PATH", other.toString())).token());
        assertEquals(Optional.of("old"), with(Map.of("HUGGING_FACE_HUB_TOKEN", "old")).token());
        assertEquals(Optional.of("new"), with(Map.of("HUGGING_FACE_HUB_TOKEN", "old", "HF_TOKEN", " new\n")).token());
        assertEquals(Optional.empty(), with(Map.of("HF_HOME", home.resolve("empty").toString())).token());
    }

    @Test
    void offlineIsWhatPythonTakesForTrue() {
        for (String yes : List.of("1", "true", "YES", "On")) {
            assertTrue(with(Map.of("HF_HUB_OFFLINE", yes)).offline(), yes);
            assertTrue(with(Map.of("TRANSFORMERS_OFFLINE", yes)).offline(), yes);
        }
        for (String no : List.of("", "0", "false", "no", "2")) {
            assertFalse(with(Map.of("HF_HUB_OFFLINE", no)).offline(), no);
        }
    }

    @Test
    void valuesThatMakeNoSenseAreNamed() {
        assertMessage("HF_ENDPOINT", Map.of("HF_ENDPOINT", "huggingface.co"));
        assertMessage("HF_ENDPOINT", Map.of("HF_ENDPOINT", "ftp://huggingface.co"));
        assertMessage("HF_HUB_ETAG_TIMEOUT", Map.of("HF_HUB_ETAG_TIMEOUT", "soon"));
    }

    private void assertMessage(String part, Map<String, String> environment) {
        CommandException failure = assertThrows(CommandException.class, () -> with(environment));
        assertTrue(failure.getMessage().contains(part), failure.getMessage());
    }

    private static List<Proxy> proxies(String address, Map<String, String> environment) {
        return new EnvironmentProxies(environment).select(URI.create(address));
    }

    @Test
    void proxiesAreThoseOfTheEnvironment() {
        Map<String, String> both = Map.of("https_proxy", "http://proxy:3128", "HTTP_PROXY", "other",
                "NO_PROXY", "localhost, .internal.example");
        assertEquals(List.of(new Proxy(Proxy.Type.HTTP, new InetSocketAddress("proxy", 3128))),
                proxies("https://huggingface.co/x", both));
        assertEquals(List.of(new Proxy(Proxy.Type.HTTP, new InetSocketAddress("other", 80))),
                proxies("http://mirror.example/x", both));
        assertEquals(List.of(Proxy.NO_PROXY), proxies("http://localhost/x", both));
        assertEquals(List.of(Proxy.NO_PROXY), proxies("https://hub.internal.example/x", both));
        assertEquals(1, proxies("https://notinternal.example/x", both).stream()
                .filter(proxy -> proxy.type() == Proxy.Type.HTTP).count());
        CommandException failure = assertThrows(CommandException.class,
                () -> proxies("https://huggingface.co", Map.of("ALL_PROXY", "http://me:secret@proxy")));
        assertFalse(failure.getMessage().contains("secret"), failure.getMessage());
    }
}
