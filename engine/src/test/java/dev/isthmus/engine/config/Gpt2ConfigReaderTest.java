package dev.isthmus.engine.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.CheckpointException.Reason;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What transformers 5.18 makes of each configuration here was found by running it there. */
class Gpt2ConfigReaderTest {

    private static final Gpt2Config SMALL = new Gpt2Config(2, 2, 8, 32, 16, 11, 1e-5, Activation.GELU_TANH, true, false,
            true, List.of(1));

    @TempDir
    Path directory;

    private Gpt2Config read(String text) throws IOException {
        Files.writeString(directory.resolve("config.json"), text.replace('\'', '"'));
        return Gpt2Config.read(directory);
    }

    /** Some keys after those of a small model; a repeated key's last value counts. */
    private Gpt2Config small(String more) throws IOException {
        return read("{'model_type':'gpt2','n_layer':2,'n_head':2,'n_embd':8,'n_positions':16,'vocab_size':11,"
                + "'eos_token_id':1" + (more.isEmpty() ? "" : ",") + more + "}");
    }

    @Test
    void missingKeysTakeTheValuesOfTheSmallestPublishedModel() throws IOException {
        assertEquals(new Gpt2Config(12, 12, 768, 3072, 1024, 50257, 1e-5, Activation.GELU_TANH, true, false, true,
                List.of(50256)), read("{}"));
    }

    @Test
    void everyKeyIsRead() throws IOException {
        assertEquals(new Gpt2Config(3, 4, 20, 7, 9, 5, 0.25, Activation.RELU, false, true, false, List.of(4, 2)),
                read("""
                        {"n_layer": 3, "n_head": 4, "n_embd": 20, "n_inner": 7, "n_positions": 9, "vocab_size": 5,
                         "layer_norm_epsilon": 0.25, "activation_function": "relu", "scale_attn_weights": false,
                         "scale_attn_by_inverse_layer_idx": true, "tie_word_embeddings": false,
                         "eos_token_id": [4, 2]}"""));
    }

    @Test
    void theConfigThatCameWithTheFirstReleaseIsRead() throws IOException {
        assertEquals(new Gpt2Config(12, 12, 768, 3072, 1024, 50257, 1e-5, Activation.GELU_TANH, true, false, true,
                List.of(50256)), read("""
                        {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
                         "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
                         "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
                         "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": null,
                         "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
                         "summary_use_proj": true,
                         "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}},
                         "vocab_size": 50257}
                        """));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "'n_inner':null", "'add_cross_attention':false", "'is_decoder':true",
        "'is_decoder':false", "'is_causal':true", "'is_encoder_decoder':false", "'sliding_window':null",
        "'attention_chunk_size':null", "'layer_types':null", "'layer_types':['full_attention','full_attention']",
        "'per_layer_config':null", "'quantization_config':null", "'pruned_heads':{}", "'pruned_heads':null",
        "'num_kv_shared_layers':0", "'reorder_and_upcast_attn':true", "'use_cache':false", "'n_ctx':5",
        "'chunk_size_feed_forward':4", "'dtype':'float16'", "'torch_dtype':'bfloat16'", "'intermediate_size':5",
        "'hidden_act':'relu'", "'layer_norm_eps':0.5", "'head_dim':3", "'resid_pdrop':0.5", "'x':NaN",
        "'x':[-Infinity,{'y':[[]]}]", "'x':1e999", "'x':'\\ud800'", "'n_layer':7,'n_layer':2", "'model_type':null",
        "'architectures':['GPT2DoubleHeadsModel']", "'attn_implementation':'eager'"})
    void keysThatChangeNoResultAreAccepted(String more) throws IOException {
        assertEquals(SMALL, small(more));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "'n_layer':2.0", "'n_layer':'2'", "'n_layer':true", "'n_layer':null", "'n_layer':0", "'n_layer':-1",
        "'n_layer':2147483648", "'n_layer':99999999999999999999999999", "'n_head':0", "'n_head':-2", "'n_head':9",
        "'n_embd':0", "'n_embd':2147483647", "'n_inner':0", "'n_inner':-1", "'n_inner':5.0", "'n_positions':0",
        "'vocab_size':0", "'vocab_size':1e3", "'layer_norm_epsilon':-1e-5", "'layer_norm_epsilon':NaN",
        "'layer_norm_epsilon':Infinity", "'layer_norm_epsilon':1e999", "'layer_norm_epsilon':'1e-5'",
        "'layer_norm_epsilon':null", "'layer_norm_epsilon':{'__float__':'Infinity'}", "'scale_attn_weights':1",
        "'scale_attn_weights':null", "'scale_attn_by_inverse_layer_idx':0", "'tie_word_embeddings':'true'",
        "'tie_word_embeddings':null", "'hidden_size':null", "'hidden_size':'8'", "'max_position_embeddings':8.0",
        "'activation_function':'GELU'", "'activation_function':null", "'activation_function':5",
        "'activation_function':'gelu_10'", "'activation_function':'quick_gelu'", "'activation_function':'silu'",
        "'activation_function':'swish'", "'activation_function':'tanh'", "'activation_function':'relu6'",
        "'activation_function':'linear'", "'eos_token_id':'1'", "'eos_token_id':1.0", "'eos_token_id':true",
        "'eos_token_id':[1,'2']", "'eos_token_id':[[1]]", "'eos_token_id':[null]", "'add_cross_attention':true",
        "'add_cross_attention':0", "'is_encoder_decoder':true", "'is_causal':false", "'is_causal':null",
        "'sliding_window':2", "'attention_chunk_size':2", "'layer_types':['sliding_attention','full_attention']",
        "'layer_types':['full_attention']", "'per_layer_config':{'0':{'n_inner':5}}", "'pruned_heads':{'0':[1]}",
        "'num_kv_shared_layers':1", "'quantization_config':{'quant_method':'gptq'}", "'model_type':'llama'",
        "'model_type':5"})
    void whatIsNotComputedIsRefusedByName(String more) {
        UnsupportedModelException refusal = assertThrows(UnsupportedModelException.class, () -> small(more));
        String key = more.substring(1, more.indexOf('\'', 1));
        assertTrue(refusal.getMessage().contains(": " + key + " is "), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("supported: "), refusal.getMessage());
        assertTrue(refusal.getMessage().startsWith(directory.toString()), refusal.getMessage());
    }

    @Test
    void headsMustDivideTheChannels() {
        String message = assertThrows(UnsupportedModelException.class, () -> small("'n_head':3")).getMessage();
        assertTrue(message.contains("n_embd is 8") && message.contains("n_head is 3"), message);
    }

    @ParameterizedTest
    @CsvSource({"gelu_new,GELU_TANH", "gelu_pytorch_tanh,GELU_TANH", "gelu_python_tanh,GELU_TANH",
        "gelu_fast,GELU_TANH", "gelu_accurate,GELU_TANH", "gelu,GELU_ERF", "gelu_python,GELU_ERF", "relu,RELU"})
    void activationsAreKnownByEveryNameOfTheirs(String name, Activation activation) throws IOException {
        assertEquals(activation, small("'activation_function':'" + name + "'").activation());
    }

    @Test
    void anAliasWinsOverTheKeyItStandsFor() throws IOException {
        Gpt2Config config = read("{'hidden_size':12,'num_hidden_layers':3,'num_attention_heads':4,"
                + "'max_position_embeddings':32,'n_embd':8,'n_layer':2,'n_head':2,'n_positions':16}");
        assertEquals(List.of(12, 3, 4, 32, 48),
                List.of(config.channels(), config.layers(), config.heads(), config.context(), config.inner()));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"null|[]", "[]|[]", "3|[3]", "[3,0]|[3, 0]", "11|[]", "-1|[]",
        "[10,11,4294967297]|[10]"})
    void endOfTextIsNoneOneOrSeveralIdsOfTheVocabulary(String written, String expected) throws IOException {
        assertEquals(expected, small("'eos_token_id':" + written).endOfText().toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "0.0", "1", "1e-300", "3e38"})
    void anyNumberThatIsNotNegativeIsAnEpsilon(String written) throws IOException {
        assertEquals(Double.parseDouble(written), small("'layer_norm_epsilon':" + written).epsilon());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "null", "{", "{}x", "{'a':}", "{'a':1,}", "\uFEFF{}",
        "{'a':'\t'}", "{'n_layer':01}"})
    void aFileThatIsNoJsonObjectIsMalformed(String text) {
        CheckpointException refusal = assertThrows(CheckpointException.class, () -> read(text));
        assertEquals(Reason.MALFORMED, refusal.reason(), refusal.getMessage());
        assertEquals(directory.resolve("config.json"), refusal.file());
    }

    @Test
    void deepNestingIsMalformedAndNotAnOverflow() {
        String deep = "{'a':" + "[".repeat(200_000) + "]".repeat(200_000) + "}";
        assertEquals(Reason.MALFORMED, assertThrows(CheckpointException.class, () -> read(deep)).reason());
    }

    @Test
    void randomlySplicedFilesGiveATypedErrorOrAPossibleConfig() throws IOException {
        String[] parts = {"{", "}", "[", "]", ",", ":", "'", "null", "-", "e", "99999999999", "1e9", "NaN", "-INF",
            "true", "'n_embd':", "\\", "1".repeat(1200), "'layer_types':[", "'eos_token_id':[1,"};
        Random random = new Random(20260802);
        String text = "{'n_layer':2,'n_head':2,'n_embd':8,'eos_token_id':[1,2],'layer_norm_epsilon':1e-5,'x':{'y':1}}";
        for (int i = 0; i < 3_000; i++) {
            int from = random.nextInt(text.length());
            int to = Math.min(text.length(), from + random.nextInt(6));
            String spliced = text.substring(0, from) + parts[random.nextInt(parts.length)] + text.substring(to);
            try {
                Gpt2Config config = read(spliced);
                assertEquals(0, config.channels() % config.heads(), spliced);
                assertTrue(config.layers() > 0 && config.inner() > 0 && config.epsilon() >= 0, spliced);
            } catch (EngineException refused) {
                assertTrue(refused.getMessage().length() < 1000, refused.getMessage());
            }
        }
    }

    @Test
    void bytesThatAreNotUtf8AreMalformed() throws IOException {
        Files.write(directory.resolve("config.json"), new byte[] {'{', '"', (byte) 0xE9, '"', ':', '1', '}'});
        assertEquals(Reason.MALFORMED,
                assertThrows(CheckpointException.class, () -> Gpt2Config.read(directory)).reason());
    }

    @Test
    void aDirectoryWithoutConfigIsRefused() {
        assertEquals(Reason.MISSING_FILE,
                assertThrows(CheckpointException.class, () -> Gpt2Config.read(directory)).reason());
    }
}
