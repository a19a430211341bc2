"""Folders of small models with random weights, and their outputs, from transformers. Kept for reference; no test runs this program.

    python folders.py [--out folders]        # needs PyTorch and transformers; made with torch 2.15, transformers 5.24

`expected.json` contains the inputs, padded, and the outputs: `hidden.N` behind the embeddings (0) and behind block N, `last_hidden_state`,
`logits`. Positions whose attention_mask is 0 are padding.
"""
import argparse
import json
import pathlib

import torch
import transformers as T

VOCABULARY = 47
IDS = torch.tensor([[2, 8, 21, 35, 6, 3, 0, 0], [2, 45, 46, 3, 0, 0, 0, 0], [2, 5, 6, 7, 8, 9, 10, 3]])
ROBERTA_IDS = torch.tensor([[0, 8, 21, 35, 6, 2, 1, 1], [0, 45, 46, 2, 1, 1, 1, 1], [0, 5, 6, 7, 8, 9, 10, 2]])
BERT = dict(
    vocab_size=VOCABULARY, hidden_size=20, num_hidden_layers=2, num_attention_heads=2, intermediate_size=36,
    max_position_embeddings=18, hidden_act='gelu',
)


def jitter(model):
    """Weights of norms and biases start as ones and zeros, which would hide mistakes."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for _, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.mul_(3.0)
    return model.eval()


def keep(out, name, model, ids, padding):
    model, mask = jitter(model), (ids != padding).long()
    with torch.no_grad():
        got = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    outputs = {key: getattr(got, key) for key in ('logits', 'last_hidden_state', 'pooler_output') if getattr(got, key, None) is not None}
    outputs |= {f'hidden.{index}': hidden for index, hidden in enumerate(got.hidden_states)}
    folder = out / name
    model.save_pretrained(folder)
    for file in folder.iterdir():
        if file.name not in ('config.json', 'model.safetensors'):
            file.unlink()
    expected = {
        'transformers': T.__version__,
        'torch': torch.__version__,
        'inputs': {'input_ids': ids.tolist(), 'attention_mask': mask.tolist()},
        'outputs': {key: value.double().tolist() for key, value in outputs.items()},
    }
    (folder / 'expected.json').write_text(json.dumps(expected))


arguments = argparse.ArgumentParser()
arguments.add_argument('--out', type=pathlib.Path, default=pathlib.Path(__file__).parent / 'folders')
out = arguments.parse_args().out
torch.manual_seed(1)
labels = {index: f'c{index}' for index in range(5)}
keep(out, 'bert', T.BertModel(T.BertConfig(**BERT, type_vocab_size=2)), IDS, 0)
named = T.BertConfig(**BERT, num_labels=5, id2label=labels, label2id={name: index for index, name in labels.items()})
keep(out, 'bert-classes', T.BertForSequenceClassification(named), IDS, 0)
distilbert = T.DistilBertConfig(vocab_size=VOCABULARY, dim=20, hidden_dim=36, n_layers=2, n_heads=2, max_position_embeddings=18, num_labels=5)
keep(out, 'distilbert-classes', T.DistilBertForSequenceClassification(distilbert), IDS, 0)
roberta = T.RobertaConfig(
    **{**BERT, 'max_position_embeddings': 22}, type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, num_labels=3, layer_norm_eps=1e-5,
)
keep(out, 'roberta-classes', T.RobertaForSequenceClassification(roberta), ROBERTA_IDS, 1)
