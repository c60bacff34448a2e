package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.api.BeamOptions;
import dev.isthmus.engine.api.Completion;
import dev.isthmus.engine.api.CompletionSearch;
import dev.isthmus.engine.api.FinishReason;
import dev.isthmus.engine.api.Generation;
import dev.isthmus.engine.api.GenerationDefaults;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.api.TokenLogprob;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.model.ModelFlags;
import dev.isthmus.tools.model.ModelLoader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
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
        footer = {"What no flag says is as the model's generation_config.json has it, by the rules of transformers'"
                + " generate (see 'isthmus inspect'): do_sample, temperature, top_k, top_p, min_p, typical_p, penalties,"
                + " lengths, banned and forced tokens, beams.",
            "With --json: prompt_ids, ids and text of the continuation alone (text is null without a"
                + " tokenizer), finish_reason (max_tokens, end_of_text, stop, context_full or cancelled), seed (if it"
                + " matters) and"
                + " timing; with --logprobs also tokens, each with id, logprob and top; with --beams or --best-of"
                + " completions, the best first, each with ids, text, score and finish_reason, instead."})
final class GenerateCommand implements Callable<Integer> {

    private final Console console;

    @ArgGroup(multiplicity = "1")
    private Prompt prompt;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private OutputFlags output;

    @Mixin
    private SpecialFlag special;

    @Mixin
    private GenerationFlags flags;

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

        private int[] ids(Console console, Model model, SpecialFlag special) {
            if (ids != null) {
                return ids.ids();
            }
            Tokenizer known = Texts.tokenizer(model, "give the prompt as --ids");
            if (file == null && !text.equals("-")) {
                return special.encode(known, text);
            }
            String read = file == null ? Texts.ofArgument(console, text) : Texts.ofFile(console, file);
            return special.encode(known, Texts.withoutFinalNewline(read));
        }
    }

    /** What a run has brought forth. */
    private static final class Result {
        private int[] promptIds;
        private final IntStream.Builder ids = IntStream.builder();
        private final StringBuilder text = new StringBuilder();
        private final List<Token> tokens = new ArrayList<>();
        private List<Completion> completions = List.of();
        private boolean hasText;
        private FinishReason finish;
        private OptionalLong seed = OptionalLong.empty();
        private double loadSeconds;
        private double prefillSeconds;
        private double decodeSeconds;
        private int decoded;
    }

    @Override
    public Integer call() {
        flags.check(output.json);
        AtomicReference<Runnable> cancel = new AtomicReference<>();
        Runnable stop = () -> Optional.ofNullable(cancel.get()).ifPresent(Runnable::run);
        try (Interruption _ = Interruption.watch(stop, () -> cancel.get() != null)) {
            Result result = run(cancel);
            if (output.json) {
                Json.object(console.out(), json -> write(json, result));
                console.out().flush();
            }
            summarize(result);
        }
        return 0;
    }

    private Result run(AtomicReference<Runnable> cancel) {
        Result result = new Result();
        try (ModelLoader.Loaded loaded = new ModelLoader(console).open(modelFlags)) {
            Model model = loaded.model();
            result.loadSeconds = loaded.seconds();
            result.promptIds = prompt.ids(console, model, special);
            result.hasText = model.tokenizer().isPresent();
            if (result.promptIds.length == 0) {
                throw new InvalidInputException("the prompt is empty; a model continues at least one token");
            }
            GenerationDefaults defaults = defaults(model);
            GenerationOptions options = flags.options(defaults, result.promptIds.length, model);
            Optional<BeamOptions> beams = flags.search.beams(defaults).or(() -> flags.usualBeams(defaults));
            result.seed = flags.draws(options, defaults) ? OptionalLong.of(options.seed()) : OptionalLong.empty();
            try (Session session = model.newSession()) {
                long begun = System.nanoTime();
                session.append(result.promptIds);
                result.prefillSeconds = (System.nanoTime() - begun) / 1e9;
                String shown = model.tokenizer().map(known -> known.decode(result.promptIds))
                        .orElseGet(() -> words(Arrays.stream(result.promptIds)));
                begun = System.nanoTime();
                if (flags.search.wanted() || beams.isPresent()) {
                    search(beams.map(each -> session.beamSearch(options, each))
                            .orElseGet(() -> session.bestOf(flags.search.bestOf(), options)), shown, result, cancel);
                } else {
                    decode(session, options, shown, result, cancel);
                }
                result.decodeSeconds = (System.nanoTime() - begun) / 1e9;
            }
        }
        return result;
    }

    private GenerationDefaults defaults(Model model) {
        GenerationDefaults defaults = model.generationDefaults();
        if (!defaults.notFollowed().isEmpty()) {
            console.say("the model's generation_config.json asks for " + String.join(", ", defaults.notFollowed())
                    + ", which isthmus does not follow");
        }
        return defaults;
    }

    private void search(CompletionSearch prepared, String shown, Result result, AtomicReference<Runnable> cancel) {
        try (CompletionSearch search = prepared) {
            cancel.set(search::cancel);
            List<Completion> found = search.run();
            result.decoded = found.stream().mapToInt(each -> each.ids().size()).sum();
            result.completions = found.subList(0, Math.min(found.size(), flags.search.returned()));
            if (!flags.search.wanted()) {
                Completion best = found.getFirst();
                best.ids().forEach(result.ids::add);
                result.text.append(best.text());
                result.finish = best.finishReason();
            }
        }
        if (output.json) {
            return;
        }
        for (Completion each : result.completions) {
            console.out().println(shown + (result.hasText ? each.text()
                    : " " + words(each.ids().stream().mapToInt(Integer::intValue))));
        }
        console.out().flush();
    }

    private void decode(Session session, GenerationOptions options, String shown, Result result,
            AtomicReference<Runnable> cancel) {
        try (Generation generation = session.generate(options)) {
            if (!output.json) {
                show(shown);
            }
            cancel.set(generation::cancel);
            for (Token token : generation) {
                take(token, result);
                if (!output.json && console.outputIsGone()) {
                    generation.cancel();
                }
            }
            result.finish = generation.finishReason().orElse(FinishReason.CANCELLED);
            if (!output.json) {
                console.out().println();
                console.out().flush();
            }
        }
        if (result.finish == FinishReason.CONTEXT_FULL) {
            console.say("the text ends because the model's context is full; a shorter prompt leaves room for more");
        }
    }

    private void take(Token token, Result result) {
        result.ids.add(token.id());
        result.decoded++;
        result.text.append(token.text());
        if (token.logprob().isPresent()) {
            result.tokens.add(token);
        }
        if (!output.json) {
            show(result.hasText ? token.text() : " " + token.id());
        }
    }

    private void show(String text) {
        console.out().print(text);
        console.out().flush();
    }

    private static String words(IntStream ids) {
        return ids.mapToObj(Integer::toString).collect(Collectors.joining(" "));
    }

    private void write(JsonGenerator json, Result result) throws IOException {
        Json.numbers(json, "prompt_ids", result.promptIds);
        if (flags.search.wanted()) {
            json.writeArrayFieldStart("completions");
            for (Completion each : result.completions) {
                json.writeStartObject();
                continuation(json, result, each.ids().stream().mapToInt(Integer::intValue).toArray(), each.text(),
                        each.finishReason());
                json.writeNumberField("score", each.score());
                json.writeEndObject();
            }
            json.writeEndArray();
        } else {
            continuation(json, result, result.ids.build().toArray(), result.text.toString(), result.finish);
        }
        if (!result.tokens.isEmpty()) {
            logprobs(json, result.tokens);
        }
        if (result.seed.isPresent()) {
            json.writeNumberField("seed", result.seed.getAsLong());
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

    private static void continuation(JsonGenerator json, Result result, int[] ids, String text, FinishReason reason)
            throws IOException {
        Json.numbers(json, "ids", ids);
        json.writeStringField("text", result.hasText ? text : null);
        json.writeStringField("finish_reason", reason.name().toLowerCase(Locale.ROOT));
    }

    private static void logprobs(JsonGenerator json, List<Token> tokens) throws IOException {
        json.writeArrayFieldStart("tokens");
        for (Token token : tokens) {
            json.writeStartObject();
            json.writeNumberField("id", token.id());
            json.writeNumberField("logprob", token.logprob().orElseThrow());
            json.writeArrayFieldStart("top");
            for (TokenLogprob each : token.top()) {
                json.writeStartObject();
                json.writeNumberField("id", each.id());
                json.writeNumberField("logprob", each.logprob());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private void summarize(Result result) {
        console.say(String.format(Locale.ROOT, "%d tokens in %.2f s (%.1f a second), %s; prompt: %d tokens in %.2f s;"
                        + " loading: %.2f s%s",
                result.decoded, result.decodeSeconds, result.decoded / Math.max(result.decodeSeconds, 1e-9),
                flags.search.wanted() ? result.completions.size() + " shown, scores: " + result.completions.stream()
                        .map(each -> String.format(Locale.ROOT, "%.4f", each.score())).collect(Collectors.joining(" "))
                        : result.finish.name().toLowerCase(Locale.ROOT).replace('_', ' '), result.promptIds.length,
                result.prefillSeconds, result.loadSeconds,
                result.seed.isPresent() ? "; seed: " + result.seed.getAsLong() : ""));
    }
}
