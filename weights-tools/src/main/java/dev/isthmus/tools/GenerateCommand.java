package dev.isthmus.tools;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.api.FinishReason;
import dev.isthmus.engine.api.Generation;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Continues a text. */
@Command(name = "generate", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Continues a text: prints the prompt and, token by token, what follows.",
        footerHeading = "%n",
        footer = "With --json: prompt_ids, ids and text of the continuation alone (text is null without a"
                + " tokenizer), finish_reason (max_tokens, end_of_text, stop or cancelled), seed (unless greedy) and"
                + " timing.")
final class GenerateCommand implements Callable<Integer> {

    /** Seeds that a command picks itself are short enough to type again. */
    private static final int SEEDS = 1_000_000_000;

    private final Console console;

    @ArgGroup(multiplicity = "1")
    private Prompt prompt;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private OutputFlags output;

    @Option(names = {"-n", "--max-tokens"}, paramLabel = "N", defaultValue = "64",
            description = "The most tokens to generate. Default: ${DEFAULT-VALUE}.")
    private int maxTokens;

    @Option(names = "--temperature", paramLabel = "T", defaultValue = "0.8",
            description = "What logits are divided by before sampling; 0 takes the likeliest token each time."
                    + " Default: ${DEFAULT-VALUE}.")
    private double temperature;

    @Option(names = "--top-k", paramLabel = "K", defaultValue = "0",
            description = "Sample among the K likeliest tokens only. Default: among all.")
    private int topK;

    @Option(names = "--top-p", paramLabel = "P", defaultValue = "1",
            description = "Sample among the fewest tokens whose probabilities reach P. Default: among all.")
    private double topP;

    @Option(names = "--seed", paramLabel = "S",
            description = "The same seed gives the same text. Default: a random one, which is reported.")
    private Long seed;

    @Option(names = "--stop", paramLabel = "TEXT",
            description = "End before this text; may be given several times.")
    private List<String> stop = List.of();

    GenerateCommand(Console console) {
        this.console = console;
    }

    /** Where the prompt comes from: exactly one of three. */
    static final class Prompt {

        @Parameters(paramLabel = "PROMPT", arity = "1", description = "The text to continue; - reads standard input.")
        private String text;

        @Option(names = {"-f", "--file"}, paramLabel = "FILE",
                description = "Read the prompt from a file (UTF-8; one line end at its end is dropped).")
        private String file;

        @Option(names = "--ids", paramLabel = "1,2,3", converter = IdList.Converter.class,
                description = "The prompt as token ids.")
        private IdList ids;

        private int[] ids(Console console, Optional<Tokenizer> tokenizer) {
            if (ids != null) {
                return ids.ids();
            }
            Tokenizer known = tokenizer.orElseThrow(() -> new CommandException("the model has no tokenizer files"
                    + " (vocab.json and merges.txt, or tokenizer.json), so it takes no text; give the prompt as"
                    + " --ids"));
            if (file == null && !text.equals("-")) {
                return known.encode(text);
            }
            String read = file == null ? Texts.ofArgument(console, text) : Texts.ofFile(console, file);
            return known.encode(Texts.withoutFinalNewline(read));
        }
    }

    /** What a run has brought forth. */
    private static final class Result {
        private int[] promptIds;
        private final IntStream.Builder ids = IntStream.builder();
        private final StringBuilder text = new StringBuilder();
        private boolean hasText;
        private FinishReason finish;
        private double loadSeconds;
        private double prefillSeconds;
        private double decodeSeconds;
        private int decoded;
    }

    @Override
    public Integer call() {
        GenerationOptions options = options();
        AtomicReference<Generation> running = new AtomicReference<>();
        Runnable stop = () -> Optional.ofNullable(running.get()).ifPresent(Generation::cancel);
        try (Interruption _ = Interruption.watch(stop, () -> running.get() != null)) {
            Result result = run(options, running);
            if (output.json) {
                Json.object(console.out(), json -> write(json, options, result));
                console.out().flush();
            }
            summarize(options, result);
        }
        return 0;
    }

    private Result run(GenerationOptions options, AtomicReference<Generation> running) {
        Result result = new Result();
        try (ModelLoader.Loaded loaded = new ModelLoader(console).open(modelFlags)) {
            Model model = loaded.model();
            result.loadSeconds = loaded.seconds();
            result.promptIds = prompt.ids(console, model.tokenizer());
            result.hasText = model.tokenizer().isPresent();
            if (result.promptIds.length == 0) {
                throw new InvalidInputException("the prompt is empty; a model continues at least one token");
            }
            try (Session session = model.newSession()) {
                decode(model.tokenizer(), session, options, result, running);
            }
        }
        return result;
    }

    private GenerationOptions options() {
        boolean greedy = temperature == 0;
        long chosen = seed != null ? seed : greedy ? 0 : new SplittableRandom().nextInt(SEEDS);
        return GenerationOptions.builder().maxTokens(maxTokens).temperature(temperature).topK(topK).topP(topP)
                .seed(chosen).stop(stop.toArray(String[]::new)).build();
    }

    private void decode(Optional<Tokenizer> tokenizer, Session session, GenerationOptions options, Result result,
            AtomicReference<Generation> running) {
        long begun = System.nanoTime();
        session.append(result.promptIds);
        result.prefillSeconds = (System.nanoTime() - begun) / 1e9;
        if (!output.json) {
            show(tokenizer.map(known -> known.decode(result.promptIds)).orElseGet(() -> words(result.promptIds)));
        }
        try (Generation generation = session.generate(options)) {
            running.set(generation);
            begun = System.nanoTime();
            for (Token token : generation) {
                take(token, result);
                if (!output.json && console.outputIsGone()) {
                    generation.cancel();
                }
            }
            result.decodeSeconds = (System.nanoTime() - begun) / 1e9;
            result.finish = generation.finishReason().orElse(FinishReason.CANCELLED);
            if (!output.json) {
                console.out().println();
                console.out().flush();
            }
        }
    }

    private void take(Token token, Result result) {
        result.ids.add(token.id());
        result.decoded++;
        result.text.append(token.text());
        if (!output.json) {
            show(result.hasText ? token.text() : " " + token.id());
        }
    }

    private void show(String text) {
        console.out().print(text);
        console.out().flush();
    }

    private static String words(int[] ids) {
        return Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(" "));
    }

    private static void write(JsonGenerator json, GenerationOptions options, Result result) throws IOException {
        Json.numbers(json, "prompt_ids", result.promptIds);
        Json.numbers(json, "ids", result.ids.build().toArray());
        json.writeStringField("text", result.hasText ? result.text.toString() : null);
        json.writeStringField("finish_reason", result.finish.name().toLowerCase(Locale.ROOT));
        if (options.temperature() > 0) {
            json.writeNumberField("seed", options.seed());
        }
        json.writeObjectFieldStart("timing");
        Json.seconds(json, "load_seconds", result.loadSeconds);
        Json.seconds(json, "prefill_seconds", result.prefillSeconds);
        json.writeNumberField("prefill_tokens", result.promptIds.length);
        Json.seconds(json, "decode_seconds", result.decodeSeconds);
        json.writeNumberField("decode_tokens", result.decoded);
        Json.seconds(json, "tokens_per_second", result.decoded / Math.max(result.decodeSeconds, 1e-9));
        json.writeEndObject();
    }

    private void summarize(GenerationOptions options, Result result) {
        console.say(String.format(Locale.ROOT, "%d tokens in %.2f s (%.1f a second), %s; prompt: %d tokens in %.2f s;"
                        + " loading: %.2f s%s",
                result.decoded, result.decodeSeconds, result.decoded / Math.max(result.decodeSeconds, 1e-9),
                result.finish.name().toLowerCase(Locale.ROOT).replace('_', ' '), result.promptIds.length,
                result.prefillSeconds, result.loadSeconds,
                options.temperature() > 0 ? "; seed: " + options.seed() : ""));
    }
}
