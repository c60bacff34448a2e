package dev.isthmus.engine.api;

import dev.isthmus.engine.config.GenerationConfig;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a model's {@code generation_config.json} asks for where the caller says nothing, as transformers' {@code
 * generate} takes it; everything else is as in {@link GenerationOptions#DEFAULT}. Nothing applies them by itself: take
 * {@link #options} and change what is to be otherwise. Immutable, and used by any thread.
 *
 * <p>{@code do_sample} decides: false is greedy, true samples with transformers' own temperature 1 and top-k 50 where the
 * file has none, and where it is not stated, {@code temperature} counts as it stands. The end-of-text ids are in
 * {@link Gpt2Config#endOfText()}.
 */
public final class GenerationDefaults {

    private static final List<String> FOLLOWED = List.of("do_sample", "temperature", "top_k", "top_p", "min_p",
            "typical_p", "repetition_penalty", "no_repeat_ngram_size", "max_new_tokens", "max_length", "min_new_tokens",
            "min_length", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id",
            "forced_eos_token_id", "stop_strings", "num_beams", "length_penalty", "early_stopping");

    /** What changes the result in transformers and is not computed here, with the value that changes nothing. */
    private static final Map<String, String> NEUTRAL = Map.ofEntries(Map.entry("penalty_alpha", "0"),
            Map.entry("top_h", ""), Map.entry("epsilon_cutoff", "0"), Map.entry("eta_cutoff", "0"),
            Map.entry("diversity_penalty", "0"), Map.entry("num_beam_groups", "1"),
            Map.entry("encoder_repetition_penalty", "1"), Map.entry("encoder_no_repeat_ngram_size", "0"),
            Map.entry("guidance_scale", "1"), Map.entry("exponential_decay_length_penalty", ""),
            Map.entry("renormalize_logits", "false"), Map.entry("remove_invalid_values", "false"),
            Map.entry("watermarking_config", ""), Map.entry("constraints", ""), Map.entry("force_words_ids", ""),
            Map.entry("sequence_bias", ""), Map.entry("dola_layers", ""), Map.entry("max_time", ""),
            Map.entry("num_return_sequences", "1"));

    private static final int TRANSFORMERS_TOP_K = 50;

    private final GenerationConfig file;
    private final Gpt2Config config;

    GenerationDefaults(GenerationConfig file, Gpt2Config config) {
        this.file = file;
        this.config = config;
    }

    /**
     * Reads the defaults of a model that is not open.
     *
     * @param model a model directory or a GGUF file
     * @param config its configuration
     * @return the defaults
     * @throws dev.isthmus.engine.errors.CheckpointException if the file cannot be read or is not a JSON object
     */
    public static GenerationDefaults read(Path model, Gpt2Config config) {
        return new GenerationDefaults(GenerationConfig.read(model), config);
    }

    /** The configuration of the model that these are the defaults of. */
    Gpt2Config config() {
        return config;
    }

    /** {@return the generation_config.json; empty where the model has none} */
    public Optional<Path> source() {
        return file.source();
    }

    /** {@return the keys that {@link #options} and {@link #beams()} follow, with their values as the file has them} */
    public List<Map.Entry<String, String>> stated() {
        return FOLLOWED.stream().filter(file::states).map(key -> Map.entry(key, file.text(key))).toList();
    }

    /** {@return the keys of the file that would change the result in transformers and are not followed here} */
    public List<String> notFollowed() {
        List<String> keys = new ArrayList<>(NEUTRAL.entrySet().stream()
                .filter(each -> file.states(each.getKey()) && !isNeutral(each.getKey(), each.getValue()))
                .map(Map.Entry::getKey).sorted().toList());
        if (asksForBeams() && samples()) {
            keys.add("num_beams with do_sample");
        }
        if (beams().isPresent() && file.states("stop_strings")) {
            keys.add("stop_strings with num_beams");
        }
        if (file.ids("forced_eos_token_id").orElse(List.of()).size() > 1) {
            keys.add("forced_eos_token_id of several tokens");
        }
        return keys;
    }

    private boolean isNeutral(String key, String neutral) {
        String value = file.text(key);
        return value.equals(neutral) || value.equals(neutral + ".0");
    }

    /**
     * The options for continuing a prompt.
     *
     * @param promptTokens the prompt's length, which {@code max_length} and {@code min_length} count too
     * @return the options
     * @throws InvalidInputException if the prompt leaves no token of {@code max_length}
     * @throws UnsupportedModelException if a value is out of range; the message names file, key and what is supported
     */
    public GenerationOptions options(int promptTokens) {
        return options(promptTokens, maxTokens(promptTokens));
    }

    /**
     * The options for continuing a prompt by a given number of tokens.
     *
     * @param promptTokens the prompt's length
     * @param maxTokens the most tokens to generate, whatever the file says
     * @return the options
     * @throws InvalidInputException if {@code maxTokens} is below 1
     * @throws UnsupportedModelException if a value is out of range; the message names file, key and what is supported
     */
    public GenerationOptions options(int promptTokens, int maxTokens) {
        GenerationOptions.Builder builder = GenerationOptions.builder().maxTokens(maxTokens);
        // Checks the argument, which is no value of the file.
        builder.build();
        sampling(builder);
        rules(builder, promptTokens);
        try {
            return builder.build();
        } catch (InvalidInputException e) {
            throw new UnsupportedModelException(file.source().orElseThrow() + ": " + e.getMessage());
        }
    }

    private int maxTokens(int promptTokens) {
        OptionalInt fresh = file.whole("max_new_tokens", 1);
        OptionalInt all = file.whole("max_length", 1);
        if (fresh.isPresent() || all.isEmpty()) {
            return fresh.orElse(GenerationOptions.DEFAULT.maxTokens());
        }
        if (all.getAsInt() <= promptTokens) {
            throw new InvalidInputException("generation options: the model's " + GenerationConfig.FILE + " ends texts at"
                    + " max_length " + all.getAsInt() + " tokens, and the prompt has " + promptTokens
                    + "; say how many tokens to generate, or shorten the prompt");
        }
        return all.getAsInt() - promptTokens;
    }

    private boolean samples() {
        return file.flag("do_sample").orElse(false);
    }

    private void sampling(GenerationOptions.Builder builder) {
        file.real("temperature").ifPresent(builder::temperature);
        file.whole("top_k", 0).ifPresent(builder::topK);
        // transformers takes 1 and above for all tokens, and at 0 the likeliest one alone.
        file.real("top_p").ifPresent(value -> builder.topP(value == 0 ? Float.MIN_NORMAL : Math.min(1, value)));
        file.real("min_p").ifPresent(builder::minP);
        file.real("typical_p").ifPresent(value -> builder.typicalP(Math.min(1, value)));
        if (samples()) {
            builder.temperature(file.real("temperature").orElse(1));
            builder.topK(file.whole("top_k", 0).orElse(TRANSFORMERS_TOP_K));
        } else if (file.flag("do_sample").isPresent()) {
            builder.greedy();
        }
    }

    private void rules(GenerationOptions.Builder builder, int promptTokens) {
        file.real("repetition_penalty").ifPresent(builder::repetitionPenalty);
        file.whole("no_repeat_ngram_size", 0).ifPresent(builder::noRepeatNgram);
        // transformers leaves out what would ban the end of the text.
        builder.banned(file.sequences("bad_words_ids").stream()
                .filter(sequence -> sequence.stream().allMatch(this::inVocabulary)
                        && !(sequence.size() == 1 && config.endOfText().contains(sequence.getFirst()))).toList());
        if (promptTokens == 1) {
            only("forced_bos_token_id").ifPresent(builder::forcedFirst);
        }
        only("forced_eos_token_id").ifPresent(builder::forcedLast);
        if (beams().isEmpty()) {
            builder.stop(file.texts("stop_strings").toArray(String[]::new));
        }
        processor(promptTokens).ifPresent(builder::processors);
    }

    private OptionalInt only(String key) {
        List<Integer> ids = file.ids(key).orElse(List.of());
        return ids.size() == 1 && inVocabulary(ids.getFirst()) ? OptionalInt.of(ids.getFirst()) : OptionalInt.empty();
    }

    private boolean inVocabulary(int id) {
        return id >= 0 && id < config.vocabulary();
    }

    /** The rules that options have no name for. */
    private Optional<LogitsProcessor> processor(int promptTokens) {
        OptionalInt fresh = file.whole("min_new_tokens", 0);
        int least = Math.max(fresh.isPresent() ? promptTokens + fresh.getAsInt() : 0,
                file.whole("min_length", 0).orElse(0));
        List<Integer> always = vocabularyIds("suppress_tokens");
        List<Integer> first = vocabularyIds("begin_suppress_tokens");
        // Where a first token is forced, the beginning is after it.
        int begin = promptTokens == 1 && only("forced_bos_token_id").isPresent() ? 2 : promptTokens;
        if (least <= promptTokens && always.isEmpty() && first.isEmpty()) {
            return Optional.empty();
        }
        List<Integer> ends = config.endOfText();
        return Optional.of((tokens, logits) -> {
            exclude(always, logits);
            if (tokens.length < least) {
                exclude(ends, logits);
            }
            if (tokens.length == begin) {
                exclude(first, logits);
            }
        });
    }

    private static void exclude(List<Integer> ids, float[] logits) {
        ids.forEach(id -> logits[id] = Float.NEGATIVE_INFINITY);
    }

    private List<Integer> vocabularyIds(String key) {
        return file.ids(key).orElse(List.of()).stream().filter(this::inVocabulary).toList();
    }

    private boolean asksForBeams() {
        return file.whole("num_beams", 1).orElse(1) > 1;
    }

    /**
     * {@return the beam search that the file asks for; empty where it asks for none, or for one that samples}
     *
     * @throws UnsupportedModelException if a value is out of range
     */
    public Optional<BeamOptions> beams() {
        return asksForBeams() && !samples() ? Optional.of(beams(file.whole("num_beams", 1).getAsInt()))
                : Optional.empty();
    }

    /**
     * {@return a beam search with the file's length penalty and rule of stopping}
     *
     * @param count how many beams, ≥ 2
     * @throws InvalidInputException if there are fewer
     * @throws UnsupportedModelException if a value is out of range
     */
    public BeamOptions beams(int count) {
        String early = "early_stopping";
        BeamOptions.EarlyStopping rule = switch (file.states(early) ? file.text(early) : "false") {
            case "true" -> BeamOptions.EarlyStopping.YES;
            case "false" -> BeamOptions.EarlyStopping.NO;
            case "\"never\"" -> BeamOptions.EarlyStopping.NEVER;
            default -> throw file.refuse(early, "true, false or \"never\"");
        };
        return new BeamOptions(count, file.real("length_penalty").orElse(1), rule);
    }
}
