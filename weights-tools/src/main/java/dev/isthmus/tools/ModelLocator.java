package dev.isthmus.tools;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

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
     * @param name a path, or a name such as {@code gpt2} or {@code openai-community/gpt2}
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
        for (Path cache : caches()) {
            for (String folder : folders(name)) {
                Path repository = cache.resolve(folder);
                tried.add(repository);
                Optional<Path> snapshot = snapshot(repository);
                if (snapshot.isPresent()) {
                    return snapshot;
                }
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

    private List<Path> caches() {
        if (isSet("HF_HUB_CACHE")) {
            return List.of(Path.of(environment.get("HF_HUB_CACHE")));
        }
        if (isSet("HF_HOME")) {
            return List.of(Path.of(environment.get("HF_HOME"), "hub"));
        }
        Path cache = isSet("XDG_CACHE_HOME") ? Path.of(environment.get("XDG_CACHE_HOME")) : home.resolve(".cache");
        return List.of(cache.resolve("huggingface").resolve("hub"));
    }

    private boolean isSet(String variable) {
        return !environment.getOrDefault(variable, "").isEmpty();
    }

    /** The cache's folder names for a model: with its owner, or the owners that GPT-2's sizes have had. */
    private static List<String> folders(String name) {
        if (!name.matches("[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?")) {
            return List.of();
        }
        if (name.contains("/")) {
            return List.of("models--" + name.replace("/", "--"));
        }
        return List.of("models--openai-community--" + name, "models--distilbert--" + name, "models--" + name);
    }

    /** The snapshot that refs/main names, or the only one. */
    private static Optional<Path> snapshot(Path repository) {
        Path snapshots = repository.resolve("snapshots");
        if (!Files.isDirectory(snapshots)) {
            return Optional.empty();
        }
        try {
            Path main = repository.resolve("refs").resolve("main");
            if (Files.isRegularFile(main)) {
                Path named = snapshots.resolve(Files.readString(main).strip());
                if (isModel(named)) {
                    return Optional.of(named);
                }
            }
            try (Stream<Path> all = Files.list(snapshots)) {
                List<Path> models = all.filter(ModelLocator::isModel).toList();
                return models.size() == 1 ? Optional.of(models.getFirst()) : Optional.empty();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isModel(Path directory) {
        return Files.exists(directory.resolve("config.json"));
    }

    private static CommandException notFound(String name, List<Path> tried) {
        StringBuilder message = new StringBuilder("there is no model '" + name + "'. Looked at:");
        tried.forEach(place -> message.append("\n  ").append(place));
        return new CommandException(message + "\nName a directory with config.json and model.safetensors, or get the"
                + " weights of GPT-2 into the cache, for instance with: hf download openai-community/gpt2");
    }
}
