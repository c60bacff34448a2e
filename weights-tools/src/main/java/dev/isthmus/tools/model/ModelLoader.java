package dev.isthmus.tools.model;

import dev.isthmus.bindings.LibraryStatus;
import dev.isthmus.bindings.NativeLibraries;
import dev.isthmus.bindings.NativeLibrary;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.checkpoint.ModelPath;
import dev.isthmus.engine.config.KernelKind;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Progress;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds and opens the model that the flags ask for. */
public final class ModelLoader {

    private final Console console;

    /** Makes one that shows its progress there. */
    public ModelLoader(Console console) {
        this.console = console;
    }

    /**
     * A model, and how long it took to open.
     *
     * @param model the model; the caller closes it
     * @param seconds from the start of the search to the open model
     */
    public record Loaded(Model model, double seconds) implements AutoCloseable {

        @Override
        public void close() {
            model.close();
        }
    }

    /** The directory that the flags name. */
    public ModelDirectory locate(ModelFlags flags) {
        return locate(flags.model);
    }

    /**
     * The directory that a path or name stands for.
     *
     * @param model null for the embedded model
     */
    public ModelDirectory locate(String model) {
        if (model == null) {
            console.say("no --model given: this is the small embedded demo model; for GPT-2, use --model with a"
                    + " directory, or 'isthmus fetch gpt2' and --model gpt2");
            return ModelDirectory.demo();
        }
        return ModelDirectory.of(locator(console).locate(model));
    }

    /** The model, or the file of a model, that a path or name stands for: a safetensors file stays by itself. */
    public static Path locateFile(Console console, String name) {
        Path found = locator(console).locate(name);
        return Files.isDirectory(found) || GgufHeader.isGguf(found) ? ModelPath.resolve(found) : found;
    }

    /** A locator for this console's environment. */
    public static ModelLocator locator(Console console) {
        return new ModelLocator(console.environment(), console.home());
    }

    /** Loads the model that the flags name, with progress. */
    public Loaded open(ModelFlags flags) {
        long begun = System.nanoTime();
        ModelOptions options = flags.options();
        try (ModelDirectory directory = locate(flags);
                Progress progress = new Progress(console, "loading the model", "MB", 1_000_000)) {
            Model model = open(directory, options.withLoadProgress(progress::update));
            LibraryStatus kernels = NativeLibraries.status(NativeLibrary.ISTHMUS);
            if (kernels.switchedOff() && model.kernelKind() != KernelKind.CUDA) {
                console.say("the C kernels are not available (" + kernels.failure()
                        + "): plain Java kernels take their place, more slowly");
            }
            return new Loaded(model, (System.nanoTime() - begun) / 1e9);
        }
    }

    private static Model open(ModelDirectory directory, ModelOptions options) {
        try {
            return Model.open(directory.path(), options);
        } catch (OutOfMemoryException e) {
            throw new CommandException(e.getMessage() + ". On the command line, --dtype int8 or --dtype q4 keeps weights"
                    + " in fewer bits, and 'isthmus convert --packed' makes a packed model");
        }
    }
}
