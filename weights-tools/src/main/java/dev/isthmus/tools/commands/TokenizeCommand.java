package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.checkpoint.ModelPath;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.model.ModelDirectory;
import dev.isthmus.tools.model.ModelFlags;
import dev.isthmus.tools.model.ModelLoader;
import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Turns text into token ids, or back. */
@Command(name = "tokenize", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Turns text into token ids, separated by spaces, or ids into text.",
        footerHeading = "%n",
        footer = "With --json: ids, tokens (as the vocabulary writes them; null for an id of the model that has none) and,"
                + " with --decode, text.")
final class TokenizeCommand implements Callable<Integer> {

    private final Console console;

    @ArgGroup(multiplicity = "1")
    private Input input;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private OutputFlags output;

    @Mixin
    private SpecialFlag special;

    TokenizeCommand(Console console) {
        this.console = console;
    }

    /** What to turn: exactly one of three. */
    static final class Input {

        @Parameters(paramLabel = "TEXT", arity = "1", description = "The text; - reads standard input.")
        private String text;

        @Option(names = {"-f", "--file"}, paramLabel = "FILE", description = "Read the text from a file (UTF-8).")
        private String file;

        @Option(names = "--decode", paramLabel = "1,2,3", converter = IdList.Converter.class,
                description = "Turn these ids into text.")
        private IdList decode;
    }

    @Override
    public Integer call() {
        try (ModelDirectory directory = new ModelLoader(console).locate(modelFlags)) {
            Tokenizer tokenizer = Tokenizer.open(directory.path())
                    .or(() -> Tokenizer.open(ModelPath.resolve(directory.path()))).orElseThrow(() -> new CommandException(
                    directory.name() + ": expected vocab.json and merges.txt, or tokenizer.json, found none of them"));
            if (input.decode != null) {
                decode(tokenizer, input.decode.ids());
            } else {
                encode(tokenizer, input.file == null ? Texts.ofArgument(console, input.text)
                        : Texts.ofFile(console, input.file));
            }
        }
        return 0;
    }

    private void encode(Tokenizer tokenizer, String text) {
        int[] ids = special.encode(tokenizer, text);
        if (output.json) {
            Json.object(console.out(), json -> write(json, tokenizer, ids));
        } else {
            console.out().println(Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(" ")));
        }
    }

    private void decode(Tokenizer tokenizer, int[] ids) {
        String text = tokenizer.decode(ids);
        if (output.json) {
            Json.object(console.out(), json -> {
                write(json, tokenizer, ids);
                json.writeStringField("text", text);
            });
        } else {
            console.out().println(text);
        }
    }

    private static void write(JsonGenerator json, Tokenizer tokenizer, int[] ids) throws IOException {
        Json.numbers(json, "ids", ids);
        json.writeArrayFieldStart("tokens");
        for (int id : ids) {
            json.writeString(tokenizer.hasToken(id) ? tokenizer.token(id) : null);
        }
        json.writeEndArray();
    }
}
