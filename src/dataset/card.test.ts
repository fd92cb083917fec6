import { describe, expect, it } from 'vitest';
import { failure, finding, ownFolder } from './folder.fixture.ts';
import { readDataset } from './read.ts';

const own = ownFolder();
const rows = '{"file_name":"1.jpg","label":0,"kind":1}\n{"file_name":"2.jpg","label":1,"kind":1}';
const card = (features: string): [string, string] => ['README.md', `---\n${features}\n---\n# Animals\n`];
const namesOf = async () => (await readDataset(own.root)).classes.map(({ name }) => name);

describe('the card of a Hugging Face data set', () => {
  it.each([
    [
      `dataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': cat\n          '1': no`,
    ],
    [`dataset_info:\n  features:\n  - {name: label, dtype: {class_label: {names: [cat, no]}}}`],
    [
      `dataset_info:\n- config_name: a\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n        - cat\n        - no`,
    ],
    [
      `features:\n- name: kind\n  dtype: {class_label: {names: [big, small]}}\n- name: label\n  dtype: {class_label: {names: [cat, no]}}`,
    ],
  ])('names the integers of the label column: %j', async (features) => {
    await own.write('1.jpg', '2.jpg', ['metadata.jsonl', rows], card(features));
    expect(await namesOf()).toEqual(['cat', 'no']);
  });

  it('is refused if it names several columns and none of them is the label', async () => {
    const features = `features:\n- name: coarse\n  dtype: {class_label: {names: [a, b]}}\n- name: fine\n  dtype: {class_label: {names: [c, d]}}`;
    await own.write('1.jpg', '2.jpg', ['metadata.jsonl', rows], card(features));
    await expect(readDataset(own.root)).rejects.toEqual(failure('card'));
    await expect(readDataset(own.root)).rejects.toThrow('"coarse", "fine"');
  });

  it('is reported if it drops the labels of folders', async () => {
    await own.write('a/1.jpg', 'b/2.jpg', card('configs:\n- config_name: default\n  drop_labels: true'));
    expect(finding(await readDataset(own.root), 'drop-labels')?.level).toBe('warning');
    await own.write(card('configs:\n- config_name: default\n  drop_labels: false'));
    expect(finding(await readDataset(own.root), 'drop-labels')).toBeUndefined();
  });
});
