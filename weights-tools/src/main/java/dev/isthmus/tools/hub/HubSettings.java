package dev.isthmus.tools.hub;

import dev.isthmus.tools.io.CommandException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where the hub and its local cache are, from the variables that huggingface_hub reads and with its rules
 * (constants.py and utils/_auth.py of 1.33).
 *
 * @param endpoint the hub, without a slash at its end
 * @param cache the directory of the cache; it need not exist
 * @param token what names the user to the hub
 * @param offline whether the network must not be used
 * @param environment the environment variables, of which some may name a proxy
 * @param answerTimeout how long to wait for an answer's headers
 * @param stallTimeout how long to wait for the next bytes of a file
 * @param firstPause how long to wait before the second attempt; each further pause is twice as long
 */
public record HubSettings(URI endpoint, Path cache, Optional<String> token, boolean offline,
        Map<String, String> environment, Duration answerTimeout, Duration stallTimeout, Duration firstPause) {

    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
    private static final int DEFAULT_TIMEOUT_SECONDS = 10;
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
    private static final Pattern REFERENCE = Pattern.compile("\\$(?:\\{([^}]*)}|(\\w+))");

    /**
     * Reads the variables, and the token's file if no variable has it.
     *
     * @param environment the environment variables
     * @param home the user's home directory
     */
    public static HubSettings of(Map<String, String> environment, Path home) {
        Variables variables = new Variables(environment, home);
        return new HubSettings(endpoint(variables), cache(environment, home), token(variables),
                TRUE.contains(variables.first("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE").toUpperCase(Locale.ROOT)),
                environment, variables.seconds("HF_HUB_ETAG_TIMEOUT"), variables.seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
                Duration.ofSeconds(1));
    }

    /** The directory of the cache alone. */
    public static Path cache(Map<String, String> environment, Path home) {
        Variables variables = new Variables(environment, home);
        String cache = variables.first("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE");
        return cache.isEmpty() ? variables.home().resolve("hub") : variables.path(cache);
    }

    private static URI endpoint(Variables variables) {
        String text = variables.first("HF_ENDPOINT");
        text = (text.isEmpty() ? DEFAULT_ENDPOINT : text).replaceFirst("/+$", "");
        try {
            URI uri = new URI(text);
            if (uri.getHost() != null && ("https".equals(uri.getScheme()) || "http".equals(uri.getScheme()))) {
                return uri;
            }
        } catch (URISyntaxException e) {
            // Refused below.
        }
        throw new CommandException("HF_ENDPOINT: expected the address of a hub, such as " + DEFAULT_ENDPOINT
                + ", found '" + text + "'");
    }

    private static Optional<String> token(Variables variables) {
        String named = variables.first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN");
        if (!named.isEmpty()) {
            return clean(named);
        }
        String file = variables.first("HF_TOKEN_PATH");
        try {
            return clean(Files.readString(file.isEmpty() ? variables.home().resolve("token") : variables.path(file)));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException("the token of the Hugging Face hub cannot be read: " + e, e);
        }
    }

    private static Optional<String> clean(String token) {
        String cleaned = token.replace("\r", "").replace("\n", "").strip();
        return cleaned.isEmpty() ? Optional.empty() : Optional.of(cleaned);
    }

    /** The environment variables, an empty one being as good as none. */
    private record Variables(Map<String, String> environment, Path homeDirectory) {

        /** The first of these that is set; empty if none is. */
        String first(String... names) {
            for (String name : names) {
                String value = environment.getOrDefault(name, "");
                if (!value.isEmpty()) {
                    return value;
                }
            }
            return "";
        }

        Path home() {
            String home = first("HF_HOME");
            if (!home.isEmpty()) {
                return path(home);
            }
            String xdg = first("XDG_CACHE_HOME");
            return (xdg.isEmpty() ? homeDirectory.resolve(".cache") : path(xdg)).resolve("huggingface");
        }

        /** With a leading ~ and with $NAME and ${NAME} replaced, which a shell has mostly done already. */
        Path path(String text) {
            Matcher reference = REFERENCE.matcher(text);
            String expanded = reference.replaceAll(match -> {
                String name = match.group(1) != null ? match.group(1) : match.group(2);
                return Matcher.quoteReplacement(environment.getOrDefault(name, match.group()));
            });
            if (expanded.equals("~") || expanded.startsWith("~/")) {
                return homeDirectory.resolve(expanded.substring(1).replaceFirst("^/+", ""));
            }
            return Path.of(expanded);
        }

        Duration seconds(String name) {
            String text = first(name);
            try {
                int seconds = text.isEmpty() ? 0 : Integer.parseInt(text.strip());
                return Duration.ofSeconds(seconds > 0 ? seconds : DEFAULT_TIMEOUT_SECONDS);
            } catch (NumberFormatException e) {
                throw new CommandException(name + ": expected a number of seconds, found '" + text + "'");
            }
        }
    }
}
