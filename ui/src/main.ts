import { mount } from 'svelte';
import App from './App.svelte';
import { keepPage } from './lib/window/keepPage';
import './fonts.css';
import './app.css';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');

keepPage();

mount(App, { target });
