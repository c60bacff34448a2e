package dev.isthmus.tools.model;

import dev.isthmus.tools.hub.HubCache;
import dev.isthmus.tools.hub.HubName;
import dev.isthmus.tools.hub.HubSettings;
import dev.isthmus.tools.io.CommandException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds the directory of a model: a directory's own path, or a name in the local Hugging Face cache. */
public final class ModelLocator {

    private final Map<String, String> environment;
    private final Path home;

    /**
     * Makes one.
     *
     * @param environment the environment variables
     * @param home the user's home directory
     */
    public ModelLocator(Map<String, String> environment, Path home) {
        this.environment = environment;
        this.home = home;
    }

    /**
     * The directory of a model.
     *
     * @param name a path, or a name such as {@code gpt2}, {@code openai-community/gpt2} or {@code owner/name@revision}
     * @throws CommandException if there is none; the message lists the places looked at
     */
    public Path locate(String name) {
        List<Path> tried = new ArrayList<>();
        Optional<Path> path = asPath(name);
        if (path.isPresent()) {
            if (Files.exists(path.get())) {
                return path.get();
            }
            tried.add(path.get().toAbsolutePath().normalize());
        }
        return inCache(name, tried).orElseThrow(() -> notFound(name, tried));
    }

    /** The snapshot of a name in the local Hugging Face cache; adds to {@code tried} the places looked at. */
    public Optional<Path> inCache(String name, List<Path> tried) {
        Optional<HubName> asked = HubName.parse(name);
        if (asked.isEmpty()) {
            return Optional.empty();
        }
        Path cache = HubSettings.cache(environment, home);
        for (String repository : asked.get().repositories()) {
            HubCache place = new HubCache(cache, repository);
            tried.add(place.directory());
            Optional<Path> snapshot = place.find(asked.get().revision());
            if (snapshot.isPresent()) {
                return snapshot;
            }
        }
        return Optional.empty();
    }

    private static Optional<Path> asPath(String name) {
        try {
            return Optional.of(Path.of(name));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    private static CommandException notFound(String name, List<Path> tried) {
        StringBuilder message = new StringBuilder("there is no model '" + name + "'. Looked at:");
        tried.forEach(place -> message.append("\n  ").append(place));
        return new CommandException(message + "\nName a directory with config.json and model.safetensors, or fetch a"
                + " model of the Hugging Face hub into the cache first, for instance GPT-2's with: isthmus fetch gpt2");
    }
}
